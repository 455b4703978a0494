"""A confirmation in numbers and sentences."""

from __future__ import annotations

from dataclasses import dataclass

from reports.analysis.candidates import CandidateRow, candidate_row
from reports.analysis.confirmation_sentences import confirmation_sentences
from reports.analysis.finalists import finalist_looks, finalist_results, test_metric
from reports.analysis.once import once_per_sweep
from reports.analysis.winner import unopened
from search.records.sweep import Sweep
from trainable.contract import Metric


@dataclass(frozen=True)
class ConfirmationSummary:
    """A confirmation in numbers."""

    metric: Metric
    """The validation metric of the race."""
    test_metric: Metric | None
    """The metric finalists are compared by on the test set; None before it was opened, or without one."""
    decided: bool
    """Whether the confirmation is finished."""
    level: float
    """Significance level, 0..1, of the race, and again of the test set."""
    compared: int
    """Seeds at the race's last comparison."""
    rows: tuple[CandidateRow, ...]
    """The winner first, then the candidates tied with it, then those that fell behind."""
    sentences: tuple[str, ...]
    """The result in words, in reading order."""
    has_test_split: bool = True
    """Whether the trainable has a test split; without one, `test_metric` stays None."""


@once_per_sweep
def confirmation_summary(sweep: Sweep) -> ConfirmationSummary | None:
    """The sweep's confirmation in numbers, or None if it has none."""
    confirmation = sweep.confirmation
    if confirmation is None:
        return None
    looks = finalist_looks(sweep, confirmation)
    metric = test_metric(sweep, next(iter(looks.values()))[0].evaluation) if looks else None
    results = {}
    if metric is not None:
        results = finalist_results(looks, metric, confirmation.level, len(confirmation.candidates))
    rows = tuple(
        candidate_row(candidate, confirmation, sweep.metric, results.get(candidate.name))
        for candidate in confirmation.candidates
    )
    return ConfirmationSummary(
        metric=sweep.metric,
        test_metric=metric,
        decided=confirmation.decided,
        level=confirmation.level,
        compared=confirmation.compared,
        rows=rows,
        sentences=tuple(confirmation_sentences(confirmation, rows, sweep.metric, metric, unopened(sweep))),
        has_test_split=sweep.plan.has_test_split,
    )
