"""What qualifies a comparison: different metrics or data, unfinished runs, and different plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.analysis.contrast import Contrast
from reports.analysis.runs import ComparedRun, data_identity
from reports.analysis.winner import winner_of
from reports.formatting.wording import listing, plural
from trainable.contract import Metric

STATUSES = {
    "running": ": these are its results so far",
    "interrupted": " before the budget was spent",
    "empty": "",
}
"""Statuses that are mentioned, and what is added to them."""


def cautions(runs: Sequence[ComparedRun]) -> tuple[str, ...]:
    """A sentence on everything that limits what can be concluded from the comparison."""
    return (*_metric_cautions(runs), *_data_cautions(runs), *_status_cautions(runs), *_overlap_cautions(runs))


def _metric_cautions(runs: Sequence[ComparedRun]) -> Iterator[str]:
    metrics = dict.fromkeys(run.sweep.metric for run in runs)
    if len(metrics) > 1:
        parts = [
            f"{metric.name} ({direction(metric)}{_unit(metric)}): "
            f"{', '.join(run.short for run in runs if run.sweep.metric == metric)}"
            for metric in metrics
        ]
        yield (
            f"The runs are judged by different metrics, so their scores are never compared with each other; "
            f"each metric has its own drawing. {'; '.join(parts)}."
        )


def _data_cautions(runs: Sequence[ComparedRun]) -> Iterator[str]:
    identities = dict.fromkeys(data_identity(run.sweep) for run in runs)
    if len(identities) > 1:
        parts = [
            f"{', '.join(run.short for run in runs if data_identity(run.sweep) == (kind, known))}"
            + (f" (data_sha256 {known[:12]}…)" if kind == "sha256" else "")
            for kind, known in identities
        ]
        yield (
            f"The runs are not known to have seen the same data, so scores and winners are compared only "
            f"among those that did: {'; '.join(parts)}."
        )


def _status_cautions(runs: Sequence[ComparedRun]) -> Iterator[str]:
    for status, meaning in STATUSES.items():
        names = [run.short for run in runs if run.sweep.status == status]
        if names:
            yield f"{listing(names)} {'is' if len(names) == 1 else 'are'} {status}{meaning}."


def _overlap_cautions(runs: Sequence[ComparedRun]) -> Iterator[str]:
    for run in runs:
        winner = winner_of(run.sweep)
        if winner is not None and winner.opening.overlap:
            overlap = winner.opening.overlap
            yield (
                f"{plural(overlap, 'test example')} of {run.short} {'is' if overlap == 1 else 'are'} also in "
                f"its training data: its test results are too optimistic."
            )


def direction(metric: Metric) -> str:
    """ "more is better" or "less is better"."""
    return "more is better" if metric.higher_is_better else "less is better"


def _unit(metric: Metric) -> str:
    return "" if metric.unit in ("", "share") else f", in {metric.unit}"


def differing_sentence(
    plan: Sequence[Contrast], space: Sequence[Contrast], environment: Sequence[Contrast]
) -> str:
    """What else differs between the runs, because it may explain a difference in the results."""
    parts = []
    if plan:
        keys = [row.key for row in plan]
        shown = listing(keys) if len(keys) <= 4 else f"{', '.join(keys[:3])} and {len(keys) - 3} more keys"
        parts.append(f"their plans in {shown}")
    if space:
        parts.append(f"their search spaces in {listing([row.key for row in space][:6])}")
    if environment:
        parts.append(f"their environments in {plural(len(environment), 'row')}")
    return (
        f"They also differ in other ways: {'; '.join(parts)}."
        if parts
        else "Their plans and environments are equal."
    )
