"""What a shop sells: shops, category trees, products, variants with their prices, and stock."""
