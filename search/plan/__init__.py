"""The plan file: what to search, for how long, on what; parsed and checked."""
