"""The study of a run: its trials, recorded before they have any effect."""
