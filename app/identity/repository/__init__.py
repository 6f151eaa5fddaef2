"""All SQL of identity, one module for each group of tables; private to this feature."""
