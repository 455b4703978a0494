"""One training run: its recipe, its data and its epochs. Does not depend on the search."""
