"""The study of a run: its trials, recorded before anything acts on them."""
