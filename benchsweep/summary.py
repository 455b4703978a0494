"""A run in a few figures: what `list` shows of each, and what `--json` prints of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reports.analysis.winner import winner_of
from reports.exports.results import test_summary
from search.records.sweep import State, Sweep


def last_seen(sweep: Sweep) -> datetime | None:
    """When it was last known to live, by its trials and starts (UTC); None when it never did."""
    times = [trial.ended or trial.started for trial in sweep.trials]
    times += [session.started for session in sweep.sessions]
    return max((time for time in times if time is not None), default=None)


def summary(sweep: Sweep) -> dict[str, Any]:
    """Plain values:

    name, folder, state (as `Sweep.status` has it); metric: name, direction, unit; trials: total, planned
    (or null) and the count of each state; best: trial, score, sampled, or null; winner:
    "trial 12" or "default", or null; test: as `reports.exports.results.test_figures` has it, or null;
    seconds of wall time; last_seen (UTC).
    """
    best = sweep.best()
    metric = sweep.metric
    return {
        "name": sweep.name,
        "folder": str(sweep.folder),
        "state": sweep.status,
        "metric": {"name": metric.name, "direction": metric.direction, "unit": metric.unit},
        "trials": {
            "total": len(sweep.trials),
            "planned": sweep.plan.max_trials,
            **{each.lower(): sweep.count(each) for each in State},
        },
        "best": best and {"trial": best.number, "score": best.score, "sampled": dict(best.sampled)},
        "winner": None if (winner := winner_of(sweep)) is None else winner.name,
        "test": test_summary(sweep),
        "seconds": sweep.seconds,
        "last_seen": last_seen(sweep),
    }
