"""Health checks of a search, grouped by what they look at: each reads a sweep and returns a finding."""
