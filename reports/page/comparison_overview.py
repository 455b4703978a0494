"""The overview of a comparison: one row per run, in words."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.analysis.confirmation import confirmation_summary
from reports.analysis.finalists import test_metric
from reports.analysis.ranking import trained
from reports.analysis.runs import ComparedRun
from reports.analysis.trials_frame import states_sentence
from reports.analysis.winner import correct_bits, winner_of
from reports.formatting.estimates import interval_text, mean_with_deviation
from reports.formatting.wording import NOTHING, duration, plural
from reports.page.comparison_cautions import direction
from reports.statistics.intervals import mean_interval, spread
from search.records.confirmation import candidate_name
from search.records.sweep import Sweep


def facts(runs: Sequence[ComparedRun]) -> tuple[tuple[str, str], ...]:
    """(name, value) of the runs' totals, as text."""
    return (
        ("runs", str(len(runs))),
        ("trials", f"{sum(len(run.sweep.trials) for run in runs):,}"),
        ("epochs trained", f"{sum(len(t.epochs) for run in runs for t in trained(run.sweep)):,}"),
        ("search time", duration(sum(run.sweep.seconds for run in runs))),
    )


def overview(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """One row per run; all columns are text but the number of epochs."""
    rows = []
    for run in runs:
        sweep = run.sweep
        top = sweep.top()
        rows.append(
            {
                "run": run.label,
                "state": sweep.status,
                "top score in search": NOTHING
                if top is None
                else f"{sweep.metric.format(top.score)}, trial {top.number}",
                "winner with fresh seeds": fresh_words(sweep, named=True),
                "winner on the test set": test_words(sweep, interval=True),
                "trials": states_sentence(sweep),
                "judged by": f"{sweep.metric.name.replace('_', ' ')}, {direction(sweep.metric)}",
                "search time": f"{duration(sweep.seconds)} in {plural(len(sweep.sessions), 'start')}",
                "epochs": sum(len(trial.epochs) for trial in trained(sweep)),
            }
        )
    return pd.DataFrame(rows)


def fresh_words(sweep: Sweep, named: bool = False) -> str:
    """The score of the confirmation's winner with fresh seeds; "–" without a winner. named: with its name."""
    summary = confirmation_summary(sweep)
    if summary is None or not summary.decided or not summary.rows or summary.rows[0].mean is None:
        return NOTHING
    first = summary.rows[0]
    assert first.mean is not None
    score = mean_with_deviation(summary.metric, first.mean, first.deviation)
    return f"{score}, {candidate_name(first.trial)}" if named else score


def test_words(sweep: Sweep, interval: bool = False) -> str:
    """The winner's mean result on the test set over its seeds; "–" while the test set is sealed, or "no test
    split".

    interval: with the mean's 95 % interval, if it is recorded which examples were right.
    """
    winner = winner_of(sweep)
    if not sweep.plan.has_test_split:
        return "no test split"
    if winner is None:
        return NOTHING
    evaluations = [look.evaluation for look in winner.looks]
    by = test_metric(sweep, evaluations[0])
    scores = [evaluation.metrics[by.name] for evaluation in evaluations if by.name in evaluation.metrics]
    if not scores:
        return NOTHING
    mean, deviation, _ = spread(scores)
    words = mean_with_deviation(by, mean, deviation)
    bits = correct_bits(evaluations) if interval and by.name == "accuracy" else None
    return words if bits is None else f"{words} (95 % {interval_text(by, *mean_interval(bits))})"
