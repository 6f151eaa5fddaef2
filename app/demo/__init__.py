"""The demonstration: what a visitor is told to open, and a group buy played over HTTP."""
