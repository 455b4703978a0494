"""A trainable, tried on two epochs before a search spends any."""
