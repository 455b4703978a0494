"""A run in a few figures: what `list` shows of each run, and what --json prints of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from benchsweep import plain
from benchsweep.kept_summaries import ListedRun
from reports.analysis.winner import winner_of
from reports.exports.test_summary import test_summary
from reports.formatting.wording import plain_json
from search.records.sweep import Sweep


def last_seen(sweep: Sweep) -> datetime | None:
    """When its last sign of activity was recorded, in its trials and sessions (UTC); None if there is
    none."""
    times = [trial.ended or trial.started for trial in sweep.trials]
    times += [session.started for session in sweep.sessions]
    return max((time for time in times if time is not None), default=None)


def summary(sweep: Sweep) -> dict[str, Any]:
    """Plain values: name, folder, state (as in `Sweep.status`), metric, trials (total, planned or null, and
    the number in each state), best (trial, score, sampled) or null, top (the same, of the top score in the
    search) or null, winner ("trial 12" or "default") or null, test (as in
    `reports.exports.test_summary.test_summary`) or null, seconds of wall time, last_seen (UTC)."""
    winner = winner_of(sweep)
    return {
        "name": sweep.name,
        "folder": str(sweep.folder),
        "state": sweep.status,
        "metric": plain.metric_of(sweep),
        "trials": {
            "total": len(sweep.trials),
            "planned": sweep.plan.max_trials,
            **plain.state_counts(sweep),
        },
        "best": plain.best_of(sweep),
        "top": plain.top_of(sweep),
        "winner": None if winner is None else winner.name,
        "test": test_summary(sweep),
        "seconds": sweep.seconds,
        "last_seen": last_seen(sweep),
    }


def listed_run(sweep: Sweep) -> ListedRun:
    """The run as `benchsweep list` shows it."""
    best = sweep.best()
    return ListedRun(plain_json(summary(sweep)), sweep.metric.format(None if best is None else best.score))
