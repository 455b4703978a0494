"""A running search or confirmation, as its events tell, for the screen and --json."""
