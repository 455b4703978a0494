"""Differences between the winners of several runs, with their confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.winner_pairs import LEVEL, WinnerPair
from reports.figures.figure import Figure
from reports.figures.style import BLUE, GREY, drawing, plain
from reports.formatting.estimates import difference, mean_with_deviation, p_text
from reports.formatting.wording import NOTHING, plural
from trainable.contract import Metric

MOST = 20
"""Maximum number of pairs in a drawing; the table has all of them."""
METHODS = {
    "images": "paired, over seeds and examples",
    "models": "paired, one model each (McNemar)",
    "seeds": "over seeds (Welch)",
}


class DifferenceGroup(NamedTuple):
    """Pairs that are compared by the same metric on the same split."""

    metric: Metric
    on: str
    """ "test set" or "validation"."""
    pairs: tuple[WinnerPair, ...]


class Differences(NamedTuple):
    """All pairs of winners."""

    pairs: tuple[WinnerPair, ...]
    """Those too that cannot be compared."""
    groups: tuple[DifferenceGroup, ...]
    """The pairs that can be compared; their intervals hold for all of them together."""


def differences(pairs: Sequence[WinnerPair]) -> Differences:
    """Groups the pairs that can be compared, in their order."""
    by_basis: dict[tuple[Metric, str], list[WinnerPair]] = {}
    for pair in pairs:
        if pair.comparison is not None:
            assert pair.by is not None and pair.on is not None
            by_basis.setdefault((pair.by, pair.on), []).append(pair)
    groups = tuple(DifferenceGroup(*basis, tuple(members)) for basis, members in by_basis.items())
    return Differences(tuple(pairs), groups)


def sentence(numbers: Differences) -> str:
    """How many pairs differ significantly, by which test, and what the intervals mean."""
    if not numbers.groups:
        reasons = list(dict.fromkeys(pair.why for pair in numbers.pairs))
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        return f"The winners cannot be compared: {'; '.join(reasons[:3])}{more}."
    pairs = [pair for group in numbers.groups for pair in group.pairs]
    significant = sum(pair.standing != "tied" for pair in pairs)
    methods = dict.fromkeys(METHODS[pair.method] for pair in pairs if pair.method is not None)
    if len(pairs) == 1:
        text = f"The difference between the winners is {'' if significant else 'not '}significant"
    else:
        text = f"{significant} of {len(pairs)} pairs of winners differ significantly"
    text += f"; the test is {' or '.join(methods)}."
    if len(pairs) > 1:
        level = f"{100 * (1 - LEVEL):g} %"
        text += f" The {level} intervals and the p-values hold for all {len(pairs)} pairs together."
    if any(pair.method == "models" for pair in pairs):
        text += " With one model each, the result holds for these two models; other seeds may differ."
    if any(len(group.pairs) > MOST for group in numbers.groups):
        text += f" The first {MOST} of them are drawn."
    if any(pair.on == "validation" for pair in pairs):
        text += " Results on validation hold only for the validation examples."
    return text


def draw(numbers: Differences) -> dict[str, go.Figure]:
    """One drawing a group."""
    return {str(count): _draw(group) for count, group in enumerate(numbers.groups)}


def _draw(group: DifferenceGroup) -> go.Figure:
    """A line a pair: the first run's winner minus the second's; hollow if not significant."""
    metric = group.metric
    scale = 100.0 if metric.unit == "share" else 1.0
    rows = [(pair, pair.comparison) for pair in group.pairs[:MOST] if pair.comparison is not None]
    points = go.Scatter(
        x=[scale * comparison.difference for _, comparison in rows],
        y=[_name(pair) for pair, _ in rows],
        customdata=[
            [signed(metric, comparison.difference), interval(metric, pair), p_text(pair.p or 0.0)]
            for pair, comparison in rows
        ],
        error_x={
            "array": [scale * (comparison.high - comparison.difference) for _, comparison in rows],
            "arrayminus": [scale * (comparison.difference - comparison.low) for _, comparison in rows],
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
    unit = "points" if metric.unit == "share" else metric.unit
    zero = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper"}
    return drawing(
        [points],
        height=130 + 40 * len(rows),
        showlegend=False,
        xaxis={
            "title": {"text": plain(f"difference ({unit})" if unit else "difference")},
            "zeroline": False,
        },
        yaxis={"type": "category", "autorange": "reversed"},
        shapes=[{**zero, "line": {"color": GREY, "width": 1.5, "dash": "dot"}}],
    )


def _name(pair: WinnerPair) -> str:
    return f"{plain(pair.one.short)}<br>− {plain(pair.other.short)}"


def signed(metric: Metric, value: float) -> str:
    """ "+0.21 points", or with the metric's unit."""
    return f"{'-' if value < 0 else '+'}{difference(metric, value)}"


def interval(metric: Metric, pair: WinnerPair) -> str:
    """ "+0.10 to +0.32", or "" if the pair cannot be compared."""
    return "" if pair.comparison is None else ends_words(metric, pair.comparison.low, pair.comparison.high)


def ends_words(metric: Metric, low: float, high: float) -> str:
    """ "+0.10 to +0.32": the ends of a difference's interval, in points for a share."""
    ends = (low, high)
    if metric.unit == "share":
        return " to ".join(f"{100 * end:+.2f}" for end in ends)
    return " to ".join(f"{end:+.3g}" for end in ends)


def table(numbers: Differences) -> pd.DataFrame:
    """A row a pair, those too that cannot be compared."""
    frame = pd.DataFrame([_row(pair) for pair in numbers.pairs])
    return frame if any(pair.why for pair in numbers.pairs) else frame.drop(columns="why not")


def _row(pair: WinnerPair) -> dict[str, str]:
    by, comparison = pair.by, pair.comparison
    winners = [NOTHING, NOTHING]
    if pair.sides is not None and by is not None:
        winners = [
            f"{side.name}: {mean_with_deviation(by, side.mean, side.deviation)} "
            f"({plural(side.seeds, 'seed')})"
            for side in pair.sides
        ]
    row = {
        "first": pair.one.short,
        "second": pair.other.short,
        **dict.fromkeys(("difference", "95 % interval", "p"), ""),
        "first's is": pair.standing or "",
        "by": "" if by is None else f"{by.name.replace('_', ' ')}, {pair.on}",
        "first's winner": winners[0],
        "second's winner": winners[1],
        "test": "",
        "why not": pair.why,
    }
    if by is not None and comparison is not None and pair.p is not None:
        row |= {
            "difference": signed(by, comparison.difference),
            "95 % interval": interval(by, pair),
            "p": p_text(pair.p).removeprefix("p = ").removeprefix("p "),
            "test": METHODS[pair.method] if pair.method else "",
        }
    return row


FIGURE = Figure[Sequence[WinnerPair], Differences](
    key="winners",
    title="Winners",
    numbers=differences,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="table",
)
