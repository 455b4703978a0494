"""Parts of a run as plain values, the same in the --json output of every command."""

from __future__ import annotations

from typing import Any

from search.records.sweep import State, Sweep


def metric_of(sweep: Sweep) -> dict[str, Any]:
    """name, direction, unit."""
    metric = sweep.metric
    return {"name": metric.name, "direction": metric.direction, "unit": metric.unit}


def best_of(sweep: Sweep) -> dict[str, Any] | None:
    """trial, score, sampled; None before a trial is complete."""
    best = sweep.best()
    if best is None:
        return None
    return {"trial": best.number, "score": best.score, "sampled": dict(best.sampled)}


def state_counts(sweep: Sweep) -> dict[str, int]:
    """The number of trials in each state."""
    return {state.lower(): sweep.count(state) for state in State}
