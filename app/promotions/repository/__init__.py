"""All SQL of promotions, by what it is about."""
