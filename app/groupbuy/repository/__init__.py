"""All SQL of group buys, by what it is about: campaigns, groups with their seats, pages."""
