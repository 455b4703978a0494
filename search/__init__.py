"""Many training runs, and what became of them."""
