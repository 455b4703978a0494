"""Parts of a run as plain values, the same in the --json output of every command."""

from __future__ import annotations

from typing import Any

from search.records.sweep import State, Sweep, Trial


def metric_of(sweep: Sweep) -> dict[str, Any]:
    """name, direction, unit, take."""
    return dict(sweep.metric.to_json())


def best_of(sweep: Sweep) -> dict[str, Any] | None:
    """trial, score, sampled of `Sweep.best`; None if there is none."""
    return _trial_in_short(sweep.best())


def top_of(sweep: Sweep) -> dict[str, Any] | None:
    """trial, score, sampled of `Sweep.top`; None before a trial is complete."""
    return _trial_in_short(sweep.top())


def _trial_in_short(trial: Trial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {"trial": trial.number, "score": trial.score, "sampled": dict(trial.sampled)}


def state_counts(sweep: Sweep) -> dict[str, int]:
    """The number of trials in each state."""
    return {state.lower(): sweep.count(state) for state in State}
