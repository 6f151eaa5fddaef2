"""Double entry: what is owed to whom, in books that only grow."""
