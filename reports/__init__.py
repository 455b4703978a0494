"""Reads records and writes a page. Never starts anything.

from reports import leaderboard, read_benchmarks, trials_table
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.analysis.benchmarks import read_benchmarks
    from reports.analysis.ranking import leaderboard
    from reports.analysis.trials_frame import trials_table

__all__ = ["leaderboard", "read_benchmarks", "trials_table"]

_MODULES = {
    "leaderboard": "reports.analysis.ranking",
    "read_benchmarks": "reports.analysis.benchmarks",
    "trials_table": "reports.analysis.trials_frame",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
