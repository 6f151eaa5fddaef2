"""Proof: export, invariants and pending work; it alone may read the tables of all features."""
