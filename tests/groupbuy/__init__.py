"""Group buys on both databases: what is configured, what is shown, and the race for seats."""
