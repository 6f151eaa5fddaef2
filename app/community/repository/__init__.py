"""All SQL of communities and of named audiences."""
