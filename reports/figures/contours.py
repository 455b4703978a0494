"""Contours: the score that a model of the search predicts over two hyperparameters at once."""

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
"""Number of cells of a continuous axis."""

COLOURS = "Cividis"
"""From dark blue to yellow, safe for colour-blind readers. J. R. Nuñez, C. R. Anderton, R. S. Renslow,
"Optimizing colormaps with consideration for color vision deficiency", PLOS ONE 13 (7), 2018, e0199239."""


class Contour(NamedTuple):
    """The predictions over one pair of hyperparameters."""

    pair: Pair
    across: tuple[float, ...]
    """Positions on the horizontal scale (`Scale.position`), ascending."""
    up: tuple[float, ...]
    """Positions on the vertical scale, ascending."""
    means: tuple[tuple[float, ...], ...]
    """Mean predictions in the metric's unit, one row for each of `up`, averaged over the other
    hyperparameters of the trials that sampled both."""


class Contours(NamedTuple):
    """The predictions over all pairs."""

    metric: Metric
    contours: tuple[Contour, ...]
    """One drawing each."""
    trials: int
    """Number of trials that the model was trained on."""
    r_squared: float
    """See `Surrogate`."""


def contours(sweep: Sweep) -> Contours | str:
    """Returns the numbers, or why there are none."""
    known, model = pairs(sweep), surrogate(sweep)
    if isinstance(known, str):
        return known
    if isinstance(model, str):
        return model
    predicted = tuple(_contour(pair, model) for pair in known)
    return Contours(sweep.metric, predicted, len(model.trials), model.r_squared)


def _contour(pair: Pair, model: Surrogate) -> Contour:
    across, up = _cells(pair.across), _cells(pair.up)
    means = model.dependence(
        pair.across.name, _values(pair.across, across), pair.up.name, _values(pair.up, up)
    )
    return Contour(pair, across, up, tuple(tuple(steady(mean) for mean in row) for row in means))


def _cells(scale: Scale) -> tuple[float, ...]:
    """The middles of an axis's cells."""
    if scale.choices:
        return tuple(float(index) for index in range(len(scale.choices)))
    if _cell_per_integer(scale):
        return tuple(float(value) for value in range(round(scale.low), round(scale.high) + 1))
    return tuple(_at(scale, (cell + 0.5) / CELLS) for cell in range(CELLS))


def _cell_per_integer(scale: Scale) -> bool:
    return scale.integer and not scale.log and scale.high - scale.low < CELLS


def _at(scale: Scale, share: float) -> float:
    """The value at this share, 0..1, of the scale's range."""
    if scale.log:
        return float(math.exp(math.log(scale.low) * (1 - share) + math.log(scale.high) * share))
    return scale.low * (1 - share) + scale.high * share


def _values(scale: Scale, positions: tuple[float, ...]) -> list[Any]:
    return list(scale.choices) if scale.choices else list(positions)


def _best(numbers: Contours, contour: Contour) -> tuple[str, str, float]:
    """The two values with the best prediction, as text, and that prediction."""
    means = np.array(contour.means)
    up, across = np.unravel_index((numbers.metric.sign * means).argmax(), means.shape)
    one = _values(contour.pair.across, contour.across)[across]
    other = _values(contour.pair.up, contour.up)[up]
    return _rounded(one), _rounded(other), float(means[up, across])


def _rounded(value: Any) -> str:
    """Two digits of a float: cells are no finer."""
    return f"{value:.2g}" if isinstance(value, float) else setting(value)


def sentence(numbers: Contours) -> str:
    """Where the model predicts the best score, and how good the model is."""
    first = numbers.contours[0]
    one, other, mean = _best(numbers, first)
    names = first.pair.across.name, first.pair.up.name
    text = (
        f"A model of {plural(numbers.trials, 'complete trial')} predicts the best score near "
        f"{names[0]} {one} and {names[1]} {other}: {numbers.metric.format(mean)} on average over the other "
        f"hyperparameters. It {fit_quality(numbers.r_squared)}"
    )
    return f"{text}, too little to rely on." if numbers.r_squared < WEAK else f"{text}."


def draw(numbers: Contours) -> dict[str, go.Figure]:
    """One small drawing per pair, by its key, all with the same colour scale; yellow is better."""
    means = [mean for contour in numbers.contours for row in contour.means for mean in row]
    return {contour.pair.key: _draw(numbers, contour, min(means), max(means)) for contour in numbers.contours}


def _draw(numbers: Contours, contour: Contour, low: float, high: float) -> go.Figure:
    pair = contour.pair
    points = {"color": "rgba(255,255,255,0.85)", "size": 5, "line": {"color": "rgba(0,0,0,0.7)", "width": 1}}
    traces = [_heatmap(numbers, contour, low, high), _trials(numbers, pair, range(len(pair.numbers)), points)]
    if pair.best is not None:
        star = {"color": AMBER, "symbol": "star", "size": 16, "line": {"color": "#000000", "width": 1.2}}
        traces.append(_trials(numbers, pair, range(pair.best, pair.best + 1), star))
    across, up = axes(pair)
    return drawing(
        traces,
        height=340,
        showlegend=False,
        xaxis=across | {"showgrid": False, "range": _ends(pair.across)},
        yaxis=up | {"showgrid": False, "range": _ends(pair.up)},
    )


def _ends(scale: Scale) -> list[float]:
    """The range of an axis; its logarithms if the axis is logarithmic."""
    if scale.choices or _cell_per_integer(scale):
        return [scale.low - 0.5, scale.high + 0.5]
    return [math.log10(scale.low), math.log10(scale.high)] if scale.log else [scale.low, scale.high]


def _edges(scale: Scale, middles: tuple[float, ...]) -> list[float]:
    """The edges of the cells, which plotly places wrongly on a logarithmic axis."""
    if scale.choices or _cell_per_integer(scale):
        return [middle - 0.5 for middle in (*middles, middles[-1] + 1)]
    return [_at(scale, cell / CELLS) for cell in range(CELLS + 1)]


def _heatmap(numbers: Contours, contour: Contour, low: float, high: float) -> go.Heatmap:
    pair, metric = contour.pair, numbers.metric
    return go.Heatmap(
        x=_edges(pair.across, contour.across),
        y=_edges(pair.up, contour.up),
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
            "title": {"text": f"predicted {axis_title(metric)}", "side": "top", "font": {"size": 11}},
        },
        hovertemplate="predicted: %{customdata}<extra></extra>",
    )


def _trials(numbers: Contours, pair: Pair, indices: range, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=[pair.drawn_at(index)[0] for index in indices],
        y=[pair.drawn_at(index)[1] for index in indices],
        customdata=[hover(pair, index, numbers.metric.format(pair.scores[index])) for index in indices],
        mode="markers",
        marker=marker,
        meta=OF_TRIALS,
        hovertemplate=HOVER,
    )


def table(numbers: Contours) -> pd.DataFrame:
    """Where the model predicts the best score, one row per pair."""
    rows = []
    for contour in numbers.contours:
        one, other, mean = _best(numbers, contour)
        means = [value for row in contour.means for value in row]
        worst = min(means, key=lambda mean: numbers.metric.sign * mean)
        rows.append(
            {
                "hyperparameters": contour.pair.key,
                "best near": f"{one}, {other}",
                "predicted there": numbers.metric.format(mean),
                "predicted at worst": numbers.metric.format(worst),
                "trials": len(contour.pair.numbers),
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Contours](
    key="contours",
    title="Two hyperparameters at once, predicted",
    numbers=contours,
    sentence=sentence,
    draw=draw,
    table=table,
    reliable=lambda numbers: numbers.r_squared >= WEAK,
    shape="small",
)
