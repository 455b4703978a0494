"""Confidence intervals, tests and corrections, computed from numbers alone."""
