"""Analyses that are computed once per sweep, however many parts of a report need them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from search.records.sweep import Sweep

ResultT = TypeVar("ResultT")


def once_per_sweep(analysis: Callable[[Sweep], ResultT]) -> Callable[[Sweep], ResultT]:
    """Cache the analysis of the last sweep while that sweep lives. Sweeps are frozen and compared by
    identity, so a cached result never goes stale; it must be frozen too."""
    cached: list[tuple[weakref.ref[Sweep], ResultT]] = []

    @wraps(analysis)
    def cached_analysis(sweep: Sweep) -> ResultT:
        if not cached or cached[0][0]() is not sweep:
            cached[:] = [(weakref.ref(sweep), analysis(sweep))]
        return cached[0][1]

    return cached_analysis
