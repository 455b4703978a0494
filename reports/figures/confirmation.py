"""Confirmation: what each candidate scored in the search, and with fresh seeds."""

from __future__ import annotations

import math
from typing import NamedTuple

import plotly.graph_objects as go
from scipy import special

from reports.analysis.confirmed import ConfirmationSummary
from reports.figures.style import AMBER, BLUE, GREY, figure, plain, value_axis
from trainable.contract import Metric


class Bar(NamedTuple):
    """A candidate. mean, low, high: of its score with fresh seeds, 95 % by Student's t over the seeds; low
    and high are the mean for one seed. selected_on: its score in the search; None for the default recipe."""

    name: str
    winner: bool
    seeds: int
    mean: float
    low: float
    high: float
    selected_on: float | None


class Confirmation(NamedTuple):
    """The candidates that have a score, the winner first."""

    metric: Metric
    bars: tuple[Bar, ...]


def confirmation(told: ConfirmationSummary | None) -> Confirmation | str:
    """The numbers, or why there are none."""
    if told is None:
        return "The search was not confirmed: its winner is the best of many trainings, and so the luckiest."
    bars = []
    for row in told.rows:
        if row.mean is None:
            continue
        reach = 0.0
        if row.deviation is not None:
            reach = float(special.stdtrit(row.seeds - 1, 0.975)) * row.deviation / math.sqrt(row.seeds)
        ends = row.mean - reach, row.mean + reach
        bars.append(Bar(row.name, row.state == "winner", row.seeds, row.mean, *ends, row.selected_on))
    if not bars:
        return " ".join(told.sentences)
    return Confirmation(told.metric, tuple(bars))


def sentence(numbers: Confirmation) -> str:
    """How many of the candidates did worse with fresh seeds than in the search."""
    known = [bar for bar in numbers.bars if bar.selected_on is not None]
    worse = sum(
        numbers.metric.better(bar.selected_on, bar.mean) for bar in known if bar.selected_on is not None
    )
    return (
        f"{worse} of {len(known)} candidates scored worse with fresh seeds than in the search, which had "
        f"chosen them for their score. Lines are 95 % intervals of the mean over seeds, on validation."
    )


def draw(numbers: Confirmation) -> go.Figure:
    """A line a candidate, the winner at the top; hollow: what it scored in the search."""
    bars = numbers.bars
    names = [plain(bar.name, 24) for bar in bars]
    fresh = go.Scatter(
        x=[bar.mean for bar in bars],
        y=names,
        customdata=[[numbers.metric.format(bar.mean), bar.seeds] for bar in bars],
        error_x={
            "array": [bar.high - bar.mean for bar in bars],
            "arrayminus": [bar.mean - bar.low for bar in bars],
            "color": BLUE,
            "thickness": 1.6,
            "width": 6,
        },
        mode="markers",
        marker={"size": 9, "color": [AMBER if bar.winner else BLUE for bar in bars]},
        name="fresh seeds",
        hovertemplate="%{y}: %{customdata[0]}, mean of %{customdata[1]} seeds<extra></extra>",
    )
    chosen = [(name, bar) for name, bar in zip(names, bars, strict=True) if bar.selected_on is not None]
    search = go.Scatter(
        x=[bar.selected_on for _, bar in chosen],
        y=[name for name, _ in chosen],
        customdata=[numbers.metric.format(bar.selected_on) for _, bar in chosen],
        mode="markers",
        marker={"size": 9, "color": GREY, "symbol": "circle-open"},
        name="in the search",
        hovertemplate="%{y}: %{customdata} in the search<extra></extra>",
    )
    return figure(
        [fresh, search],
        height=140 + 38 * len(bars),
        legend_entrywidth=90,
        xaxis=value_axis(numbers.metric),
        yaxis={"type": "category", "autorange": "reversed"},
    )
