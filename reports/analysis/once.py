"""What is worked out of a sweep once, however many parts of a report ask for it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from search.records.sweep import Sweep

ResultT = TypeVar("ResultT")


def once_per_sweep(tell: Callable[[Sweep], ResultT]) -> Callable[[Sweep], ResultT]:
    """`tell`, with its answer for the sweep asked about last kept while that sweep lives. Sweeps are frozen
    and told apart by identity, so the answer never goes stale; it must be frozen too."""
    held: list[tuple[weakref.ref[Sweep], ResultT]] = []

    @wraps(tell)
    def told(sweep: Sweep) -> ResultT:
        if not held or held[0][0]() is not sweep:
            held[:] = [(weakref.ref(sweep), tell(sweep))]
        return held[0][1]

    return told
