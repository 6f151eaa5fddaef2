"""Doors of identity to what is slow or outside: WeChat and the password hash."""
