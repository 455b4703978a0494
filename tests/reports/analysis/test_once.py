"""A cached analysis is computed once per sweep and does not outlive it."""

from __future__ import annotations

import gc
import weakref

from sweeps import make_sweep

from reports.analysis.once import once_per_sweep
from search.records.sweep import Sweep


def test_a_result_is_kept_for_its_sweep_and_no_longer_than_the_sweep_lives() -> None:
    calls: list[str] = []

    @once_per_sweep
    def analysis(sweep: Sweep) -> int:
        calls.append(sweep.name)
        return len(calls)

    sweep = make_sweep(2)
    assert (analysis(sweep), analysis(sweep)) == (1, 1)
    assert analysis(make_sweep(2)) == 2
    reference = weakref.ref(sweep)
    del sweep
    gc.collect()
    assert reference() is None
