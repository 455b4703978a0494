"""The winner on the test set, as every JSON output shows it."""

from __future__ import annotations

from reports.analysis.winner import winner_of
from reports.exports.results_schema import TestJson
from search.records.sweep import Sweep


def test_summary(sweep: Sweep) -> TestJson | None:
    """The winner's results on the test set, or None before it was opened."""
    winner = winner_of(sweep)
    if winner is None:
        return None
    summary: TestJson = {
        "trial": winner.trial,
        "count": winner.evaluation.count,
        "seeds": len(winner.looks),
        "metrics": winner.metrics,
    }
    if (accuracy := winner.test_accuracy) is not None:
        summary["mean"] = accuracy.share
        summary["low"], summary["high"] = accuracy.interval
        summary["deviation"] = accuracy.deviation
    return summary
