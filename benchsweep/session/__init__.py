"""One start of a command that trains: signals, live report, final model."""
