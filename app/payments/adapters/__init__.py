"""Doors to payment service providers."""
