"""Communities of a shop, who belongs to them, what members declare of themselves, and buyers."""
