"""Pruning: what stopping trials early saved, and whether early scores predict the final ones."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from reports.figures.figure import Figure
from reports.figures.pruning_numbers import WEAK, Pruning, pruning
from reports.figures.style import AMBER, BLUE, GREY, ORANGE, count_axis, drawing
from reports.formatting.wording import NOTHING, duration, plural
from reports.statistics.correlation import Correlation
from reports.statistics.intervals import wilson
from search.records.sweep import Sweep

FEWEST = 5
"""Minimum number of trials at an epoch for which the best one's percentile is drawn."""


def sentence(numbers: Pruning) -> str:
    """What was saved, and whether early scores predict the final ones."""
    if numbers.pruned:
        seconds = numbers.saved_seconds + numbers.trained_seconds
        share = numbers.saved_seconds / seconds if numbers.trained_seconds else 0.0
        text = (
            f"Pruning {plural(numbers.pruned, 'trial')} saved {numbers.saved:,} of the "
            f"{plural(numbers.planned, 'epoch')} they would have trained, about "
            f"{duration(numbers.saved_seconds)} or {100 * share:.0f} % of all training"
        )
    else:
        text = f"None of {plural(numbers.trials, 'trial')} was pruned"
    if numbers.paused:
        text += f", {numbers.paused} {'is' if numbers.paused == 1 else 'are'} paused"
    text += f". {_prediction(numbers)}"
    winner = _winner(numbers)
    return f"{text}; {winner}.{_audit(numbers)}" if winner else f"{text}.{_audit(numbers)}"


def _audit(numbers: Pruning) -> str:
    """How often the pruner was wrong, as far as it was audited; "" if it was not."""
    count, wrong = len(numbers.audits), numbers.wrong
    if not count:
        return ""
    share = wilson(len(wrong), count)
    text = (
        f" Of {plural(count, 'trial')} to be stopped that {'was' if count == 1 else 'were'} audited, "
        f"{len(wrong) or 'none'} ended among the {numbers.candidates} best "
        f"(95 % interval of the pruner's errors {100 * share.low:.0f} to {100 * share.high:.0f} %)"
    )
    if wrong:
        worst = min(wrong, key=lambda audit: audit.rank)
        text += (
            f": trial {worst.number} would have been stopped after epoch {worst.epoch} and became number "
            f"{worst.rank}"
        )
    return f"{text}."


def _prediction(numbers: Pruning) -> str:
    """Whether scores at the first stop, or else at the first epoch, predict the final ranking."""
    after = numbers.first_stop or next((after for after in numbers.epochs if after.correlation), None)
    if after is None or after.correlation is None:
        complete = plural(numbers.complete, "complete trial")
        return f"Not enough data yet to say whether early scores predict the final ranking: {complete}"
    correlation = after.correlation
    verb = "partly predict"
    if correlation.low >= WEAK:
        verb = "predict"
    elif correlation.high < WEAK:
        verb = "hardly predict"
    where = f"epoch {after.epoch}" + (", where the first trials were pruned," if after.stopped else "")
    survivors = ", the only ones with a final score" if numbers.pruned else ""
    return (
        f"Scores after {where} {verb} the final ranking (rank correlation {_with_interval(correlation)}, "
        f"over {plural(correlation.pairs, 'complete trial')}{survivors})"
    )


def _winner(numbers: Pruning) -> str:
    """The best trial's rank at the first stop, or where it would have been pruned; "" if neither is known."""
    if numbers.winner_at_risk:
        after = numbers.winner_at_risk[0]
        return (
            f"the best trial was number {after.winner:,} of {after.reached:,} after epoch {after.epoch}, "
            f"where {after.promoted:,} of them would be promoted: it was kept because it came early"
        )
    first = numbers.first_stop
    if first is None or first.winner is None:
        return ""
    return f"the best trial was number {first.winner:,} of {first.reached:,} after epoch {first.epoch}"


def _with_interval(correlation: Correlation) -> str:
    return f"{correlation.value:.2f}, 95 % interval {correlation.low:.2f} to {correlation.high:.2f}"


def draw(numbers: Pruning) -> go.Figure:
    """The rank correlation by epoch with its interval as a band, and the best trial's percentile."""
    traces = [*_correlations(numbers), *_percentiles(numbers), *_thresholds(numbers), *_rungs(numbers)]
    last = numbers.epochs[-1].epoch
    margin = max(0.3, 0.03 * last)
    return drawing(
        traces,
        height=360,
        legend_entrywidth=150,
        xaxis=count_axis("epoch", last) | {"showgrid": False, "range": [1 - margin, last + margin]},
        yaxis={"range": list(_ends(numbers)), "title": {"text": "rank correlation"}, "dtick": 0.25},
        margin={"r": 66},
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "zeroline": False,
            "range": [-0.04, 1.06],
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "tickformat": ".0%",
            "title": {"text": "percentile", "standoff": 10, "font": {"size": 13}},
        },
    )


def _correlations(numbers: Pruning) -> list[go.Scatter]:
    """The correlations, on top of the band of their intervals."""
    known = [(after.epoch, after.correlation) for after in numbers.epochs if after.correlation is not None]
    if not known:
        return []
    epochs = [epoch for epoch, _ in known]
    band = go.Scatter(
        x=[*epochs, *reversed(epochs)],
        y=[
            *(correlation.high for _, correlation in known),
            *(correlation.low for _, correlation in reversed(known)),
        ],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(47,127,193,0.18)",
        showlegend=False,
        hoverinfo="skip",
    )
    line = go.Scatter(
        x=epochs,
        y=[correlation.value for _, correlation in known],
        customdata=[
            [_with_interval(correlation), plural(correlation.pairs, "complete trial")]
            for _, correlation in known
        ],
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"size": 7},
        name="correlation, 95 % interval",
        hovertemplate="epoch %{x}: %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )
    return [band, line]


def _percentiles(numbers: Pruning) -> list[go.Scatter]:
    """The best trial's percentile, where enough trials give it a meaning."""
    known = [after for after in numbers.epochs if after.reached >= FEWEST and after.percentile is not None]
    if not known:
        return []
    line = go.Scatter(
        x=[after.epoch for after in known],
        y=[after.percentile for after in known],
        customdata=[[f"{after.winner:,} of {after.reached:,}", after.stopped] for after in known],
        mode="lines+markers",
        line={"color": AMBER, "width": 1.2, "dash": "dot"},
        marker={"symbol": "star", "size": 12},
        name="best trial's percentile",
        yaxis="y2",
        hovertemplate="epoch %{x}: best trial is number %{customdata[0]}<br>"
        "%{customdata[1]} pruned here<extra></extra>",
    )
    return [line]


def _thresholds(numbers: Pruning) -> list[go.Scatter]:
    """The percentile that a trial needs to be promoted at each rung."""
    known = [
        (after, after.promoted)
        for after in numbers.epochs
        if after.reached >= FEWEST and after.promoted is not None
    ]
    if not known:
        return []
    marks = go.Scatter(
        x=[after.epoch for after, _ in known],
        y=[1 - (promoted - 1) / (after.reached - 1) for after, promoted in known],
        customdata=[f"{promoted} of {after.reached}" for after, promoted in known],
        mode="markers",
        marker={
            "symbol": "line-ew-open",
            "size": 22,
            "color": ORANGE,
            "line": {"width": 2.5, "color": ORANGE},
        },
        name="needed for promotion",
        yaxis="y2",
        hovertemplate="epoch %{x}: %{customdata} would be promoted<extra></extra>",
    )
    return [marks]


def _rungs(numbers: Pruning) -> list[go.Scatter]:
    """A vertical line at each rung."""
    rungs = [after.epoch for after in numbers.epochs if after.rung]
    if not rungs:
        return []
    low, high = _ends(numbers)
    lines = go.Scatter(
        x=[x for rung in rungs for x in (rung, rung, None)],
        y=[y for _ in rungs for y in (low, high, None)],
        mode="lines",
        line={"color": GREY, "width": 1, "dash": "dot"},
        name="rung",
        hoverinfo="skip",
    )
    return [lines]


def _ends(numbers: Pruning) -> tuple[float, float]:
    """The range of the upright axis."""
    lows = [after.correlation.low for after in numbers.epochs if after.correlation is not None]
    return min(-0.04, *(low - 0.04 for low in lows)) if lows else -0.04, 1.06


def table(numbers: Pruning) -> pd.DataFrame:
    """One row per examined epoch."""
    rows = []
    for after in numbers.epochs:
        known = after.correlation
        rows.append(
            {
                "after epoch": after.epoch,
                "rung": "yes" if after.rung else "",
                "reached": after.reached,
                "pruned there": after.stopped,
                "rank correlation": NOTHING if known is None else f"{known.value:.2f}",
                "95 % interval": "" if known is None else f"{known.low:.2f} to {known.high:.2f}",
                "complete trials": "" if known is None else known.pairs,
                "best trial": NOTHING if after.winner is None else f"{after.winner:,} of {after.reached:,}",
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Pruning](
    key="pruning",
    title="Pruning",
    numbers=pruning,
    sentence=sentence,
    draw=draw,
    table=table,
)
