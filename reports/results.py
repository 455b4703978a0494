"""results.json: all that the report shows, for scripts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.figures.importances import importances
from reports.ranking import benchmark_applies, leaderboard, measured, winning_opening
from reports.wording import plain_json
from search.records import Sweep, Trial

SCHEMA = 1
"""Raised when a key changes its meaning or goes; a new key does not raise it."""


def results(sweep: Sweep, benchmarks: pd.DataFrame, command: str) -> dict[str, Any]:
    """Plain JSON values:

    schema          1
    name, status    the run; running, empty, interrupted or finished
    metric          name, direction ("maximize" or "minimize"), unit
    best            the best trial's number, or null
    reproduce       the command that trains it again, or null
    test            correct, count, accuracy, low, high (shares; 95 % Wilson), trial; or null
    trials          by number: number, state, score, recipe, sampled, epochs (number, metrics,
                    seconds), error, notes, resumed_from, worker, session, started, ended, seconds,
                    same_as (the trial whose end this one was given, for it has the same recipe
                    and was not trained again; null for the others)
    importances     setting -> share, or null; importances_note says why
    leaderboard     the columns of `reports.ranking.leaderboard`; leaderboard_note says which rows
    openings        of the test set: time, reason, trial, evaluation, parameters, weights_sha256
    sessions        number, started, seconds, ended ("budget", "interrupted", "error", or "" if it
                    lives or was killed), environment
    plan            the one in force
    plans           its versions, the first one first: number (0 for the first), since, trials (how
                    many there were then), table (the whole plan), changes (a line for each key)
    warm_start      run, taken, sentence; or null. No trial of that run is among `trials`
    environment     of the last start

    Times are ISO 8601 in UTC, durations seconds. What JSON cannot hold (NaN) is null.
    """
    best, told = sweep.best(), importances(sweep)
    shares = None if isinstance(told, str) else dict(zip(told.names, told.shares, strict=True))
    made = {
        "schema": SCHEMA,
        "name": sweep.name,
        "status": sweep.status,
        "metric": {
            "name": sweep.metric.name,
            "direction": sweep.metric.direction,
            "unit": sweep.metric.unit,
        },
        "best": None if best is None else best.number,
        "reproduce": None if best is None else command,
        "test": test_figures(sweep),
        "trials": [_trial(trial) for trial in sweep.trials],
        "importances": shares,
        "importances_note": told if isinstance(told, str) else None,
        "leaderboard": _records(leaderboard(sweep, benchmarks)),
        "leaderboard_note": benchmark_applies(sweep)[1],
        "openings": [opening.to_json() for opening in sweep.openings],
        "sessions": [vars(session) for session in sweep.sessions],
        "plan": sweep.plan,
        "plans": [vars(version) for version in sweep.plans],
        "warm_start": None if sweep.warm_start is None else vars(sweep.warm_start),
        "environment": sweep.environment,
    }
    return dict(plain_json(made))


def test_figures(sweep: Sweep) -> dict[str, Any] | None:
    """What the winner did on the test set: trial, metrics and count; where it has an accuracy,
    correct, accuracy, and low and high (95 % Wilson interval) too. None before it was opened."""
    opening = winning_opening(sweep)
    if opening is None or opening.evaluation is None:
        return None
    seen = opening.evaluation
    told: dict[str, Any] = {"trial": opening.trial, "metrics": dict(seen.metrics), "count": seen.count}
    ours = measured(seen)
    if ours is not None:
        told |= {"correct": ours.correct, "accuracy": ours.share, **ours.interval._asdict()}
    return told


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        **vars(trial),
        "state": str(trial.state),
        "epochs": [epoch.to_json() for epoch in trial.epochs],
        "seconds": trial.seconds,
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values, null where a value is missing."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
