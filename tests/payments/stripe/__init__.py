"""Stripe: what is asked of it, what it says, and orders paid through it."""
