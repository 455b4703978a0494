"""The result of a search in the fewest words: the best recipe, its gain over the default, and its ties."""

from __future__ import annotations

from reports.analysis.candidates import CandidateRow
from reports.analysis.confirmation import ConfirmationSummary
from reports.formatting.estimates import better_or_worse, difference, p_text, recipe_name
from reports.formatting.wording import listing, plural
from trainable.contract import Metric

MOST = 4
"""Tied trials that a line names, at most."""


def verdict_lines(confirmation: ConfirmationSummary | None) -> list[str]:
    """At most two lines: the gain over the default recipe, and the ties. confirmation: None if there is none,
    or no trial that could be confirmed."""
    if confirmation is None:
        return ["Not compared with the default recipe: no trial was trained again with fresh seeds"]
    rows = confirmation.rows
    if not confirmation.decided or not rows or rows[0].mean is None:
        return []
    return [*_gain(confirmation, rows[0]), *_ties(confirmation)]


def _gain(confirmation: ConfirmationSummary, winner: CandidateRow) -> list[str]:
    if winner.trial is None:
        return ["No trial is better than the default recipe"]
    default = next((row for row in confirmation.rows if row.trial is None), None)
    if default is None or default.mean is None or winner.mean is None:
        return []
    tested, metric = default.tested, confirmation.test_metric
    if tested is not None and tested.gain is not None and metric is not None:
        text = _difference(metric, tested.gain.difference)
        if tested.standing is None or tested.p is None:
            return [f"{text}; these seeds say nothing about chance"]
        significant = "not significant" if tested.standing == "tied" else "significant"
        return [f"{text}, {significant} ({p_text(tested.p)})"]
    text = f"{_difference(confirmation.metric, winner.mean - default.mean)} on validation"
    if winner.constant and default.constant:
        return [f"{text}; these seeds say nothing about chance"]
    return [f"{text}, {'significant' if default.state == 'behind' else 'not significant'}"]


def _difference(metric: Metric, gain: float) -> str:
    if gain == 0:
        return "Equal to the default recipe"
    return f"{difference(metric, gain)} {better_or_worse(metric, gain)} than the default recipe"


def _ties(confirmation: ConfirmationSummary) -> list[str]:
    tied = [row.trial for row in confirmation.rows if row.state == "tied"]
    if not tied:
        behind = any(row.state == "behind" for row in confirmation.rows)
        return (
            ["Significantly better than every other candidate"]
            if behind and not _constant(confirmation)
            else []
        )
    trials = [str(trial) for trial in tied if trial is not None]
    names = [f"{'trial' if len(trials) == 1 else 'trials'} {_shortened(trials)}"] if trials else []
    if None in tied:
        names.append(recipe_name(None))
    return [f"Statistically tied with {listing(names)}"]


def _constant(confirmation: ConfirmationSummary) -> bool:
    return all(row.constant for row in confirmation.rows if row.state in ("winner", "behind"))


def _shortened(trials: list[str]) -> str:
    if len(trials) <= MOST:
        return listing(trials)
    return listing([*trials[: MOST - 1], plural(len(trials) - MOST + 1, "more trial")])
