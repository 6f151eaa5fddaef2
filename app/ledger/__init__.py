"""The shop's books: double entry, append only. What is posted is said by the features above."""
