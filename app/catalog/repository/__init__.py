"""All SQL of the catalogue, by what it is about: records, lists of products, baskets, stock."""
