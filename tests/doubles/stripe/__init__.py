"""A stateful double of Stripe on a port, for the official SDK; see `server.serving`."""
