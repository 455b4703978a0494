"""The former place of the published results, for scripts that import them from here."""

from reports.analysis.benchmarks import BenchmarksError, read_benchmarks

__all__ = ["BenchmarksError", "read_benchmarks"]
