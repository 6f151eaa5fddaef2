"""What clients of identity send and get, one module for each group of routes."""
