"""Contours: what score a model of the search expects over two settings at once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis.scale import Scale
from reports.figures.figure import Figure
from reports.figures.setting_pairs import HOVER, Pair, axes, hover, pairs
from reports.figures.style import AMBER, OF_TRIALS, axis_title, drawing
from reports.formatting.wording import plural, setting, steady
from reports.importance.surrogate import WEAK, Surrogate, fit_quality, surrogate
from search.records.sweep import Sweep
from trainable.contract import Metric

CELLS = 24
"""Cells of a numeric axis."""

COLOURS = "Cividis"
"""From dark blue to yellow, for colour-blind eyes too. J. R. Nuñez, C. R. Anderton, R. S. Renslow,
"Optimizing colormaps with consideration for color vision deficiency", PLOS ONE 13 (7), 2018, e0199239."""


class Contour(NamedTuple):
    """One pair of settings.

    along, upward: the values that were asked for, on the settings' scales (`Scale.position`), rising.
    means: what the model expects, in the metric's unit, a row for each of `upward`; averaged over the other
    settings of the trials that were asked for both.
    """

    pair: Pair
    along: tuple[float, ...]
    upward: tuple[float, ...]
    means: tuple[tuple[float, ...], ...]


class Contours(NamedTuple):
    """One pair of settings a drawing. trials: the model learned from. r_squared: see `Surrogate`."""

    metric: Metric
    contours: tuple[Contour, ...]
    trials: int
    r_squared: float


def contours(sweep: Sweep) -> Contours | str:
    """The numbers, or why there are none."""
    held, model = pairs(sweep), surrogate(sweep)
    if isinstance(held, str):
        return held
    if isinstance(model, str):
        return model
    made = tuple(_contour(pair, model) for pair in held)
    return Contours(sweep.metric, made, len(model.trials), model.r_squared)


def _contour(pair: Pair, model: Surrogate) -> Contour:
    along, upward = _grid(pair.across), _grid(pair.up)
    means = model.dependence(
        pair.across.name, _values(pair.across, along), pair.up.name, _values(pair.up, upward)
    )
    return Contour(pair, along, upward, tuple(tuple(steady(mean) for mean in row) for row in means))


def _grid(scale: Scale) -> tuple[float, ...]:
    """The middles of the cells of an axis."""
    if scale.choices:
        return tuple(float(place) for place in range(len(scale.choices)))
    if _counted(scale):
        return tuple(float(value) for value in range(round(scale.low), round(scale.high) + 1))
    return tuple(_at(scale, (cell + 0.5) / CELLS) for cell in range(CELLS))


def _counted(scale: Scale) -> bool:
    """Whether each whole number of the axis has a cell of its own."""
    return scale.integer and not scale.log and scale.high - scale.low < CELLS


def _at(scale: Scale, share: float) -> float:
    if scale.log:
        return float(math.exp(math.log(scale.low) * (1 - share) + math.log(scale.high) * share))
    return scale.low * (1 - share) + scale.high * share


def _values(scale: Scale, positions: tuple[float, ...]) -> list[Any]:
    return list(scale.choices) if scale.choices else list(positions)


def _best(numbers: Contours, contour: Contour) -> tuple[str, str, float]:
    """Where the model expects most: the two values as text, and what it expects."""
    means = np.array(contour.means)
    at = (numbers.metric.sign * means).argmax()
    up, across = np.unravel_index(at, means.shape)
    one = _values(contour.pair.across, contour.along)[across]
    other = _values(contour.pair.up, contour.upward)[up]
    return _rounded(one), _rounded(other), float(means[up, across])


def _rounded(value: Any) -> str:
    """A cell is no finer than two digits."""
    return f"{value:.2g}" if isinstance(value, float) else setting(value)


def sentence(numbers: Contours) -> str:
    """Where the model expects the best score, and how far it is to be believed."""
    first = numbers.contours[0]
    one, other, mean = _best(numbers, first)
    names = first.pair.across.name, first.pair.up.name
    told = (
        f"A model of {plural(numbers.trials, 'complete trial')} expects the best score near "
        f"{names[0]} {one} and {names[1]} {other}: {numbers.metric.format(mean)} on average over the other "
        f"settings. It {fit_quality(numbers.r_squared)}"
    )
    return f"{told}, too little to rely on." if numbers.r_squared < WEAK else f"{told}."


def draw(numbers: Contours) -> dict[str, go.Figure]:
    """One small figure a pair, by its settings, all with the same colours; yellow is better."""
    means = [mean for contour in numbers.contours for row in contour.means for mean in row]
    return {each.pair.key: _draw(numbers, each, min(means), max(means)) for each in numbers.contours}


def _draw(numbers: Contours, contour: Contour, low: float, high: float) -> go.Figure:
    pair = contour.pair
    points = {"color": "rgba(255,255,255,0.85)", "size": 5, "line": {"color": "rgba(0,0,0,0.7)", "width": 1}}
    traces = [_ground(numbers, contour, low, high), _trials(numbers, pair, range(len(pair.numbers)), points)]
    if pair.best:
        star = {"color": AMBER, "symbol": "star", "size": 16, "line": {"color": "#000000", "width": 1.2}}
        traces.append(_trials(numbers, pair, range(1), star))
    across, up = axes(pair)
    return drawing(
        traces,
        height=340,
        showlegend=False,
        xaxis=across | {"showgrid": False, "range": _ends(pair.across)},
        yaxis=up | {"showgrid": False, "range": _ends(pair.up)},
    )


def _ends(scale: Scale) -> list[float]:
    if scale.choices or _counted(scale):
        return [scale.low - 0.5, scale.high + 0.5]
    return [math.log10(scale.low), math.log10(scale.high)] if scale.log else [scale.low, scale.high]


def _edges(scale: Scale, middles: tuple[float, ...]) -> list[float]:
    """The cells' ends: on a logarithmic axis plotly would put them in the wrong places itself."""
    if scale.choices or _counted(scale):
        return [place - 0.5 for place in (*middles, middles[-1] + 1)]
    return [_at(scale, cell / CELLS) for cell in range(CELLS + 1)]


def _ground(numbers: Contours, contour: Contour, low: float, high: float) -> go.Heatmap:
    pair, metric = contour.pair, numbers.metric
    return go.Heatmap(
        x=_edges(pair.across, contour.along),
        y=_edges(pair.up, contour.upward),
        z=contour.means,
        zmin=low,
        zmax=high,
        colorscale=COLOURS,
        reversescale=not metric.higher_is_better,
        customdata=[[metric.format(mean) for mean in row] for row in contour.means],
        colorbar={
            **{"orientation": "h", "thickness": 8, "x": 0.5, "xanchor": "center", "len": 1.0},
            **{"y": 1.0, "yanchor": "bottom", "outlinewidth": 0, "ypad": 6, "nticks": 4},
            "tickformat": ".2~%" if metric.unit == "share" else ".3~g",
            "title": {"text": f"expected {axis_title(metric)}", "side": "top", "font": {"size": 11}},
        },
        hovertemplate="expected: %{customdata}<extra></extra>",
    )


def _trials(numbers: Contours, pair: Pair, places: range, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=[pair.drawn_at(place)[0] for place in places],
        y=[pair.drawn_at(place)[1] for place in places],
        customdata=[hover(pair, place, numbers.metric.format(pair.scores[place])) for place in places],
        mode="markers",
        marker=marker,
        meta=OF_TRIALS,
        hovertemplate=HOVER,
    )


def table(numbers: Contours) -> pd.DataFrame:
    """Where the model expects most, a row a pair."""
    rows = []
    for contour in numbers.contours:
        one, other, mean = _best(numbers, contour)
        means = [value for row in contour.means for value in row]
        worst = min(means, key=lambda mean: numbers.metric.sign * mean)
        rows.append(
            {
                "settings": contour.pair.key,
                "best near": f"{one}, {other}",
                "expected there": numbers.metric.format(mean),
                "expected at worst": numbers.metric.format(worst),
                "trials": len(contour.pair.numbers),
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Contours](
    key="contours",
    title="Two settings at once, modelled",
    numbers=contours,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="small",
)
