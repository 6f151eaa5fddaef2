"""The verbs of the line of sale, one a file."""
