"""A comparison as JSON; `benchsweep.commands.compare` documents the keys."""

from __future__ import annotations

from typing import Any

from reports.analysis.runs import ComparedRun, data_identity
from reports.analysis.winner import winner_of
from reports.analysis.winner_pairs import plain_pair
from reports.exports.results import best_result
from reports.figures import edf
from reports.figures.trace import trace
from reports.page.comparison import RunComparison

SCHEMA = 2
"""Version of the keys: raised when one changes its meaning or is removed, but not for a new one."""


def comparison_json(comparison: RunComparison) -> dict[str, Any]:
    """The comparison as plain values."""
    labels = [run.label for run in comparison.runs]
    contrasts = {
        "plan": comparison.plan,
        "space": comparison.space,
        "environment": comparison.environment,
    }
    return {
        "schema": SCHEMA,
        "runs": [_run(comparison, run) for run in comparison.runs],
        "groups": [[run.label for run in group.runs] for group in comparison.groups],
        "sentences": list(comparison.sentences),
        "cautions": list(comparison.cautions),
        "pairs": [plain_pair(pair) for pair in comparison.pairs],
        "differences": {
            name: {row.key: dict(zip(labels, row.values, strict=True)) for row in rows}
            for name, rows in contrasts.items()
        },
    }


def _run(comparison: RunComparison, run: ComparedRun) -> dict[str, Any]:
    sweep, progress, distribution = run.sweep, trace(run), edf.distribution(run)
    best, top, winner = sweep.best(), sweep.top(), winner_of(sweep)
    metric, (identified_by, data) = sweep.metric, data_identity(sweep)
    return {
        "name": run.label,
        "folder": str(sweep.folder),
        "state": sweep.status,
        "metric": metric.to_json(),
        "data_sha256": data if identified_by == "sha256" else None,
        "group": next(index for index, group in enumerate(comparison.groups) if run in group.runs),
        "trials": progress.trials,
        "epochs": progress.epochs,
        "seconds": sweep.seconds,
        "best": None if best is None else best_result(best),
        "top": None if top is None else best_result(top),
        "winner": None
        if winner is None
        else {"name": winner.name, "metrics": winner.metrics, "seeds": len(winner.looks)},
        "incumbents": [incumbent._asdict() for incumbent in progress.incumbents],
        "edf": None
        if distribution is None
        else {
            "scores": list(distribution.scores),
            "shares": list(distribution.shares),
            "count": distribution.trials,
        },
    }
