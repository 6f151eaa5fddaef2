"""Shapes of money: the ledger's, and of what comes in from providers."""
