"""What is kept of a member and what waits for one: reading only, of the tables of all features."""
