"""Shapes of webhooks as operators send and see them."""
