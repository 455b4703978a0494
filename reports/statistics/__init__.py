"""Intervals, tests and corrections, from numbers alone."""
