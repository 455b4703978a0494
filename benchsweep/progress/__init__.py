"""The progress of a search or a confirmation, computed from its events, for the terminal and --json."""
