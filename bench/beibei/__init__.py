"""Recorded group buys, lived again over HTTP and held to what was recorded."""
