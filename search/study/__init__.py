"""The study: the trials of a run, recorded before anything acts on them."""
