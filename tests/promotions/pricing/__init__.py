"""Tests of the pure pricing core: worked examples, laws and purity."""
