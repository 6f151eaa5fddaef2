"""A member's own data: all of it told to the member, and forgotten when the member wants it so."""
