"""Outgoing webhooks: what a shop's integrators are told of its facts, signed, at least once."""
