"""Confirmation: the score of each candidate in the search, and with fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
from scipy import special

from reports.analysis.candidates import CandidateRow
from reports.analysis.confirmation import ConfirmationSummary, confirmation_summary
from reports.figures.differences import ends_words
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, GREY, drawing, plain, value_axis
from reports.formatting.estimates import difference, interval_text, mean_with_deviation, p_text
from reports.formatting.wording import NOTHING
from search.records.sweep import Sweep


class CandidateInterval(NamedTuple):
    """The score of a candidate with fresh seeds, in the metric's unit."""

    name: str
    winner: bool
    seeds: int
    mean: float
    low: float
    """End of the mean's 95 % interval by Student's t over the seeds; the mean itself for one seed."""
    high: float
    selected_on: float | None
    """Score in the search; None for the default recipe."""


class ConfirmationIntervals(NamedTuple):
    """A confirmation, and its candidates that have a score."""

    confirmed: ConfirmationSummary
    candidates: tuple[CandidateInterval, ...]
    """The winner first."""


def confirmation(confirmed: ConfirmationSummary | None) -> ConfirmationIntervals | str:
    """Returns the numbers, or why there are none."""
    if confirmed is None:
        return (
            "The search was not confirmed: its winner is the best of many trials, so part of its score is "
            "selection bias."
        )
    candidates = tuple(
        CandidateInterval(
            name=row.name,
            winner=row.state == "winner",
            seeds=row.seeds,
            mean=row.mean,
            low=row.mean - _reach(row),
            high=row.mean + _reach(row),
            selected_on=row.selected_on,
        )
        for row in confirmed.rows
        if row.mean is not None
    )
    return ConfirmationIntervals(confirmed, candidates)


def _reach(row: CandidateRow) -> float:
    """Half the width of the mean's 95 % interval."""
    if row.deviation is None:
        return 0.0
    return float(special.stdtrit(row.seeds - 1, 0.975)) * row.deviation / math.sqrt(row.seeds)


def sentence(numbers: ConfirmationIntervals) -> str:
    """How many candidates scored worse with fresh seeds than in the search; what the chance of best is."""
    if not numbers.candidates:
        return " ".join(numbers.confirmed.sentences)
    metric = numbers.confirmed.metric
    selected = [
        (candidate.selected_on, candidate.mean)
        for candidate in numbers.candidates
        if candidate.selected_on is not None
    ]
    worse = sum(metric.better(in_search, mean) for in_search, mean in selected)
    constant = (
        " A candidate that scored the same with every seed has no line: that says nothing about chance."
        if any(row.constant for row in numbers.confirmed.rows)
        else ""
    )
    return (
        f"{worse} of {len(selected)} candidates scored worse with fresh seeds than in the search, which "
        f"selected them by that score. Lines are 95 % intervals of the mean over seeds, on validation."
        f"{constant}{_on_test_set(numbers.confirmed)}"
    )


def _on_test_set(confirmed: ConfirmationSummary) -> str:
    """What the chance of best is, and why another candidate than the winner may have the highest; "" if it is
    not known."""
    shares = {
        row.name: row.tested.best_share
        for row in confirmed.rows
        if row.tested is not None and row.tested.best_share is not None
    }
    if not shares:
        return ""
    text = (
        " The chance of best is the share of resamples of seeds and test examples in which a candidate is "
        "the most accurate one of those tested."
    )
    winner = next((row for row in confirmed.rows if row.state == "winner"), None)
    likeliest = max(shares, key=lambda name: shares[name])
    if winner is None or winner.name not in shares or shares[likeliest] <= shares[winner.name]:
        return text
    return (
        f"{text} It is higher for {likeliest} ({shares[likeliest]:.0%}) than for the winner, {winner.name} "
        f"({shares[winner.name]:.0%}), which was chosen on validation alone: results on the test set choose "
        f"nothing, so that they stay unbiased."
    )


def draw(numbers: ConfirmationIntervals) -> go.Figure | Mapping[str, go.Figure]:
    """A line a candidate, the winner at the top; hollow: the score in the search."""
    metric, candidates = numbers.confirmed.metric, numbers.candidates
    if not candidates:
        return {}
    names = [plain(candidate.name, 24) for candidate in candidates]
    fresh = go.Scatter(
        x=[candidate.mean for candidate in candidates],
        y=names,
        customdata=[[metric.format(candidate.mean), candidate.seeds] for candidate in candidates],
        error_x={
            "array": [candidate.high - candidate.mean for candidate in candidates],
            "arrayminus": [candidate.mean - candidate.low for candidate in candidates],
            "color": BLUE,
            "thickness": 1.6,
            "width": 6,
        },
        mode="markers",
        marker={"size": 9, "color": [AMBER if candidate.winner else BLUE for candidate in candidates]},
        name="fresh seeds",
        hovertemplate="%{y}: %{customdata[0]}, mean of %{customdata[1]} seeds<extra></extra>",
    )
    selected = [
        (name, candidate.selected_on)
        for name, candidate in zip(names, candidates, strict=True)
        if candidate.selected_on is not None
    ]
    search = go.Scatter(
        x=[score for _, score in selected],
        y=[name for name, _ in selected],
        customdata=[metric.format(score) for _, score in selected],
        mode="markers",
        marker={"size": 9, "color": GREY, "symbol": "circle-open"},
        name="in the search",
        hovertemplate="%{y}: %{customdata} in the search<extra></extra>",
    )
    return drawing(
        [fresh, search],
        height=140 + 38 * len(candidates),
        legend_entrywidth=90,
        xaxis=value_axis(metric),
        yaxis={"type": "category", "autorange": "reversed"},
    )


def table(numbers: ConfirmationIntervals) -> pd.DataFrame:
    """A row a candidate, with its test figures after the test set was opened."""
    confirmed = numbers.confirmed
    frame = pd.DataFrame(
        {**_validation_cells(confirmed, row), **_test_cells(confirmed, row), "why eliminated": row.why}
        for row in confirmed.rows
    )
    return frame if any(row.why for row in confirmed.rows) else frame.drop(columns="why eliminated")


def _validation_cells(confirmed: ConfirmationSummary, row: CandidateRow) -> dict[str, object]:
    metric, bias = confirmed.metric, row.selection_bias
    return {
        "candidate": row.name,
        "state": row.state,
        "seeds": row.seeds,
        "in the search": metric.format(row.selected_on),
        "fresh seeds": NOTHING if row.mean is None else mean_with_deviation(metric, row.mean, row.deviation),
        "selection bias": NOTHING if bias is None else f"{'-' * (bias < 0)}{difference(metric, bias)}",
    }


def _test_cells(confirmed: ConfirmationSummary, row: CandidateRow) -> dict[str, str]:
    """Empty before the test set was opened."""
    metric, tested = confirmed.test_metric, row.tested
    if metric is None:
        return {}
    by = f"by ({100 * (1 - confirmed.level):g} % interval)"
    columns = ("test set (95 % interval)", "chance of best", "winner is", by, "p")
    if tested is None:
        return {**dict.fromkeys(columns, ""), columns[0]: NOTHING}
    gain = tested.gain
    gain_interval = "" if gain is None or math.isinf(gain.low) else ends_words(metric, gain.low, gain.high)
    values = (
        _with_interval(
            mean_with_deviation(metric, tested.mean, tested.deviation),
            interval_text(metric, tested.low, tested.high),
        ),
        "" if tested.best_share is None else f"{tested.best_share:.0%}",
        tested.standing or ("" if gain is None else "not known"),
        "" if gain is None else _with_interval(_signed(metric.unit, gain.difference), gain_interval),
        "" if tested.p is None else p_text(tested.p),
    )
    return dict(zip(columns, values, strict=True))


def _with_interval(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value


def _signed(unit: str, value: float) -> str:
    return f"{100 * value:+.2f}" if unit == "share" else f"{value:+.3g}"


FIGURE = Figure[Sweep, ConfirmationIntervals](
    key="confirmation",
    title="Confirmation",
    numbers=lambda sweep: confirmation(confirmation_summary(sweep)),
    sentence=sentence,
    draw=draw,
    table=table,
    shape="table",
)
