"""Ranks: where the better trials lie over two settings at once, as they were measured."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.scale import Scale
from reports.figures.figure import Figure
from reports.figures.setting_pairs import HOVER, Pair, axes, hover, pairs
from reports.figures.style import AMBER, BLUE, GREY, OF_TRIALS, ORANGE, drawing
from reports.formatting.wording import listing, plural
from reports.importance.surrogate import complete_trials
from search.records.sweep import Sweep
from trainable.contract import Metric


class Range(NamedTuple):
    """Where the best trials lie on a setting. share: of its range, 0..1, that they span; of choices the share
    of the best that took the most frequent one. words: from where to where, or which choice."""

    name: str
    share: float
    words: str
    choices: bool


class Ranks(NamedTuple):
    """One pair of settings a drawing.

    ranks: of the trials of each pair among all complete ones, 1 the best; trials of one score share the mean
    of their ranks. trials: how many there are. top: how many of them are called the best, a tenth, but five
    at least. ranges: where these lie, setting by setting, the most important first.
    """

    metric: Metric
    pairs: tuple[Pair, ...]
    ranks: tuple[tuple[float, ...], ...]
    trials: int
    top: int
    ranges: tuple[Range, ...]


def ranks(sweep: Sweep) -> Ranks | str:
    """The numbers, or why there are none."""
    held = pairs(sweep)
    if isinstance(held, str):
        return held
    complete = complete_trials(sweep)
    scores = pd.Series([trial.score for trial in complete], index=[trial.number for trial in complete])
    ranked = scores.rank(ascending=not sweep.metric.higher_is_better)
    top = min(len(complete), max(5, round(len(complete) / 10)))
    best = set(ranked.sort_values(kind="stable").index[:top])
    return Ranks(
        metric=sweep.metric,
        pairs=held,
        ranks=tuple(tuple(float(ranked[number]) for number in pair.numbers) for pair in held),
        trials=len(complete),
        top=top,
        ranges=tuple(_ranges(held, best)),
    )


def _ranges(held: tuple[Pair, ...], best: set[int]) -> list[Range]:
    told: dict[str, Range] = {}
    for pair in held:
        sides = ((pair.across, pair.across_at, 0), (pair.up, pair.up_at, 1))
        for scale, positions, side in sides:
            places = [place for place, number in enumerate(pair.numbers) if number in best]
            if scale.name not in told and places:
                words = [pair.told[place][side] for place in places]
                told[scale.name] = _range(scale, [positions[place] for place in places], words)
    return list(told.values())


def _range(scale: Scale, positions: list[float], words: list[str]) -> Range:
    if scale.choices:
        most = max(dict.fromkeys(words), key=words.count)
        return Range(scale.name, words.count(most) / len(words), most, True)
    low, high = positions.index(min(positions)), positions.index(max(positions))
    share = scale.share(positions[high]) - scale.share(positions[low])
    known = words[low] if words[low] == words[high] else f"{words[low]} to {words[high]}"
    return Range(scale.name, share, known, False)


def sentence(numbers: Ranks) -> str:
    """How narrowly the best trials lie together on the two most important settings."""
    told = [
        f"at {one.name} {one.words}"
        if not one.choices and one.share == 0
        else f"{100 * one.share:.0f} % of them took {one.name} {one.words}"
        if one.choices
        else f"within {100 * one.share:.0f} % of the range of {one.name} ({one.words})"
        for one in numbers.ranges[:2]
    ]
    places = [words for words, one in zip(told, numbers.ranges, strict=False) if not one.choices]
    taken = [words for words, one in zip(told, numbers.ranges, strict=False) if one.choices]
    best = f"The best {numbers.top} of {plural(numbers.trials, 'complete trial')}"
    if not places:
        return f"Of the best {numbers.top} of {plural(numbers.trials, 'complete trial')} {listing(taken)}."
    return f"{best} lie {listing(places)}{''.join(f'; {words}' for words in taken)}."


def draw(numbers: Ranks) -> dict[str, go.Figure]:
    """One small figure a pair, by its settings; the best trials last, so that none hides them."""
    drawn = zip(numbers.pairs, numbers.ranks, strict=True)
    return {pair.key: _draw(numbers, pair, ranks_) for pair, ranks_ in drawn}


def _draw(numbers: Ranks, pair: Pair, ranks_: tuple[float, ...]) -> go.Figure:
    order = range(len(pair.numbers) - 1, -1, -1)
    told = [
        f"{numbers.metric.format(score)}, rank {rank:g} of {numbers.trials}"
        for score, rank in zip(pair.scores, ranks_, strict=True)
    ]
    points = go.Scatter(
        x=[pair.drawn_at(place)[0] for place in order],
        y=[pair.drawn_at(place)[1] for place in order],
        customdata=[hover(pair, place, told[place]) for place in order],
        mode="markers",
        marker={
            "size": 8,
            "color": [ranks_[place] for place in order],
            "cmin": 1,
            "cmax": numbers.trials,
            # Each keeps three to one on light and on dark, and blue is told from orange by all eyes.
            "colorscale": [[0, BLUE], [0.5, GREY], [1, ORANGE]],
            "colorbar": {
                **{"orientation": "h", "thickness": 8, "x": 0.5, "xanchor": "center", "len": 1.0},
                **{"y": 1.0, "yanchor": "bottom", "outlinewidth": 0, "ypad": 6},
                "tickvals": [1, numbers.trials],
                "ticktext": ["best", "worst"],
                "ticklabelposition": "inside top",
            },
        },
        meta=OF_TRIALS,
        hovertemplate=HOVER,
    )
    traces = [points]
    if pair.best:
        star = {"color": AMBER, "symbol": "star", "size": 15}
        x, y = pair.drawn_at(0)
        at = {"x": [x], "y": [y], "customdata": [hover(pair, 0, told[0])]}
        traces.append(go.Scatter(**at, mode="markers", marker=star, hovertemplate=HOVER))
    across, up = axes(pair)
    return drawing(traces, height=340, showlegend=False, xaxis=across, yaxis=up)


def table(numbers: Ranks) -> pd.DataFrame:
    """Where the best trials lie, a row a setting."""
    return pd.DataFrame(
        {
            "setting": [one.name for one in numbers.ranges],
            f"the best {numbers.top}": [one.words for one in numbers.ranges],
            "share": [
                f"{100 * one.share:.0f} % {'of them' if one.choices else 'of the range'}"
                for one in numbers.ranges
            ],
        }
    )


FIGURE = Figure[Sweep, Ranks](
    key="ranks",
    title="Two settings at once, as measured",
    numbers=ranks,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="small",
)
