"""The commands, one a file. Each parses its options and prints; others do the work."""
