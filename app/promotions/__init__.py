"""Promotions: what operators configure, and the pure core that prices a basket."""
