"""Orders: quote, place, pay, cancel, expire, fulfil, refund: the line of sale."""
