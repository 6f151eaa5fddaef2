"""All SQL of orders; private to the feature."""
