"""Commands that train, in the foreground: signals, the live report, the final model."""
