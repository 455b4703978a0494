"""Differences between several runs' winners, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.winner_pairs import LEVEL, WinnerPair
from reports.figures.style import BLUE, GREY, figure, plain
from reports.formatting.estimates import difference, mean_with_deviation, p_text
from reports.formatting.wording import NOTHING, plural
from trainable.contract import Metric

MOST = 20
"""Pairs that are drawn; the table holds all."""
METHODS = {
    "images": "paired, over seeds and examples",
    "models": "paired, one model each (McNemar)",
    "seeds": "over seeds (Welch)",
}


class Differences(NamedTuple):
    """Pairs that are compared by one metric on one split. compared: how many pairs there are in all, for
    which the intervals hold together."""

    metric: Metric
    on: str
    pairs: tuple[WinnerPair, ...]
    compared: int


def differences(pairs: Sequence[WinnerPair]) -> list[Differences] | str:
    """The numbers, one entry for each metric and split, or why there are none."""
    told = [pair for pair in pairs if pair.comparison is not None]
    if not told:
        reasons = list(dict.fromkeys(pair.why for pair in pairs))
        shown = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
        return f"It cannot be told whose winner is better: {shown}."
    found: dict[tuple[Metric, str], list[WinnerPair]] = {}
    for pair in told:
        assert pair.by is not None and pair.on is not None
        found.setdefault((pair.by, pair.on), []).append(pair)
    return [Differences(metric, on, tuple(held), len(told)) for (metric, on), held in found.items()]


def sentence(numbers: Sequence[Differences]) -> str:
    """How many pairs are told apart, by what, and what the intervals mean."""
    held = [pair for each in numbers for pair in each.pairs]
    apart = sum(pair.standing != "tied" for pair in held)
    methods = dict.fromkeys(METHODS[pair.method] for pair in held if pair.method is not None)
    if len(held) == 1:
        told = f"The winners are {'told apart' if apart else 'not told apart'}"
    else:
        told = f"{apart} of {len(held)} pairs of winners {'is' if apart == 1 else 'are'} told apart"
    told += f"; the test is {' or '.join(methods)}."
    if len(held) > 1:
        told += f" The {100 * (1 - LEVEL):g} % intervals, and p, hold for all {len(held)} pairs together."
    if any(pair.method == "models" for pair in held):
        told += " One model each speaks of these two models, not of what other seeds would give."
    if any(len(each.pairs) > MOST for each in numbers):
        told += f" The first {MOST} of them are drawn."
    if any(pair.on == "validation" for pair in held):
        told += " What is told on validation holds for those examples alone."
    return told


def draw(numbers: Differences) -> go.Figure:
    """A line a pair, the first run's winner less the second's; hollow where they are not told apart."""
    shown = numbers.pairs[:MOST]
    share = numbers.metric.unit == "share"
    scale = 100.0 if share else 1.0
    rows = [(pair, pair.comparison) for pair in shown if pair.comparison is not None]
    points = go.Scatter(
        x=[scale * told.difference for _, told in rows],
        y=[_name(pair) for pair, _ in rows],
        customdata=[
            [signed(numbers.metric, told.difference), interval(numbers.metric, pair), p_text(pair.p or 0.0)]
            for pair, told in rows
        ],
        error_x={
            "array": [scale * (told.high - told.difference) for _, told in rows],
            "arrayminus": [scale * (told.difference - told.low) for _, told in rows],
            "color": BLUE,
            "thickness": 1.6,
            "width": 6,
        },
        mode="markers",
        marker={
            "size": 9,
            "color": BLUE,
            "symbol": ["circle-open" if pair.standing == "tied" else "circle" for pair, _ in rows],
        },
        hovertemplate="%{y}<br>%{customdata[0]} (%{customdata[1]}), %{customdata[2]}<extra></extra>",
    )
    unit = "points" if share else numbers.metric.unit
    title = f"difference ({unit})" if unit else "difference"
    return figure(
        [points],
        height=130 + 40 * len(rows),
        showlegend=False,
        xaxis={"title": {"text": plain(title)}, "zeroline": False},
        yaxis={"type": "category", "autorange": "reversed"},
        shapes=[
            {
                "type": "line",
                "x0": 0,
                "x1": 0,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": GREY, "width": 1.5, "dash": "dot"},
            }
        ],
    )


def _name(pair: WinnerPair) -> str:
    return f"{plain(pair.one.short)}<br>− {plain(pair.other.short)}"


def signed(metric: Metric, value: float) -> str:
    """ "+0.21 points", or with the metric's unit."""
    return f"{'-' if value < 0 else '+'}{difference(metric, value)}"


def interval(metric: Metric, pair: WinnerPair) -> str:
    """ "+0.10 to +0.32": its ends, signed; "" where there is none."""
    return "" if pair.comparison is None else ends_words(metric, pair.comparison.low, pair.comparison.high)


def ends_words(metric: Metric, low: float, high: float) -> str:
    """ "+0.10 to +0.32": the ends of a difference's interval, in points of a share."""
    ends = (low, high)
    if metric.unit == "share":
        return " to ".join(f"{100 * end:+.2f}" for end in ends)
    return " to ".join(f"{end:+.3g}" for end in ends)


def table(pairs: Sequence[WinnerPair]) -> pd.DataFrame:
    """One row a pair, the ones that cannot be compared too."""
    rows = []
    for pair in pairs:
        by = pair.by
        sides = [NOTHING, NOTHING]
        if pair.sides is not None and by is not None:
            sides = [
                f"{side.name}: {mean_with_deviation(by, side.mean, side.deviation)} "
                f"({plural(side.seeds, 'seed')})"
                for side in pair.sides
            ]
        known = by is not None and pair.comparison is not None and pair.p is not None
        rows.append(
            {
                "first": pair.one.short,
                "second": pair.other.short,
                "difference": signed(by, pair.comparison.difference)
                if known and by and pair.comparison
                else "",
                "95 % interval": interval(by, pair) if known and by else "",
                "p": p_text(pair.p).removeprefix("p = ").removeprefix("p ")
                if known and pair.p is not None
                else "",
                "first's is": pair.standing or "",
                "by": "" if by is None else f"{by.name.replace('_', ' ')}, {pair.on}",
                "first's winner": sides[0],
                "second's winner": sides[1],
                "test": METHODS[pair.method] if known and pair.method else "",
                "why not": pair.why,
            }
        )
    frame = pd.DataFrame(rows)
    return frame if any(pair.why for pair in pairs) else frame.drop(columns="why not")
