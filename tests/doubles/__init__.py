"""Stand-ins for the outside world that answer on a port and keep books of their own."""
