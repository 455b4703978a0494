"""One training run: its recipe, its data, its epochs. Knows nothing of searches."""
