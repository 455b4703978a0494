"""Replays searches of tables and formulas on a virtual clock; see benchmarks/search_efficiency.py."""
