"""Parallel coordinates: every complete trial as a line through its settings to its score.

Drawn as ordinary lines, not with plotly's `Parcoords`: that one needs WebGL, which mail viewers,
virtual machines and printers often lack.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from reports.analysis.scale import Scale, scales
from reports.analysis.trials import setting_key, shown_factor
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, GREY, OF_TRIALS, drawing, plain
from reports.formatting.wording import listing, plural, setting
from search.records.sweep import State, Sweep
from trainable.contract import Metric

NOT_ASKED = -0.12
"""Height at which a line passes a setting that its trial was not asked for."""


SKIPPED = (NOT_ASKED, "not used")


class Axis(NamedTuple):
    """One upright axis.

    name: of the setting, or of the metric. key: of its column in the trials table
    (`reports.analysis.trials`). ticks: its labels and where they stand (0 the bottom, 1 the top). foot,
    head: the values of the column at its ends, spaced by their logarithm where `log`. choices: evenly
    spaced, instead of numbers.
    """

    name: str
    key: str
    ticks: tuple[tuple[float, str], ...]
    foot: float = 0.0
    head: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()


class Parallel(NamedTuple):
    """Complete trials, best first.

    axes: the settings in the plan's order, then the score, whose better end is at the top.
    heights: one row per trial of `numbers`, one entry per axis: 0..1, or None where the setting
        was not asked.
    told: the values behind the heights, as text.
    """

    metric: Metric
    axes: tuple[Axis, ...]
    numbers: tuple[int, ...]
    heights: tuple[tuple[float | None, ...], ...]
    told: tuple[tuple[str, ...], ...]


def parallel(sweep: Sweep) -> Parallel | str:
    """The numbers, or why there are none."""
    ranked = [(trial, trial.score) for trial in sweep.ranked() if trial.state is State.COMPLETE]
    complete = [(trial, score) for trial, score in ranked if score is not None]
    if len(complete) < 2:
        return "Parallel coordinates need at least two complete trials."
    settings = scales(sweep)
    if not settings:
        return "No setting was sampled, so there is nothing to compare."
    scores = [score for _, score in complete]
    top, bottom = scores[0], scores[-1]
    asked = {scale.name: all(scale.name in trial.sampled for trial, _ in complete) for scale in settings}
    axes = [
        Axis(
            scale.name,
            setting_key(scale.name),
            _ticks(scale) if asked[scale.name] else (*_ticks(scale), SKIPPED),
            scale.low,
            scale.high,
            scale.log,
            scale.choices,
        )
        for scale in settings
    ]
    ends = shown_factor(sweep) * bottom, shown_factor(sweep) * top
    axes.append(Axis(sweep.metric.name, "score", _score_ticks(sweep.metric, bottom, top), *ends))
    heights, told = [], []
    for trial, score in complete:
        held = [
            scale.share(trial.sampled[scale.name]) if scale.name in trial.sampled else None
            for scale in settings
        ]
        heights.append((*held, (score - bottom) / (top - bottom) if top != bottom else 0.5))
        words = [setting(trial.sampled[s.name]) if s.name in trial.sampled else SKIPPED[1] for s in settings]
        told.append((*words, sweep.metric.format(score)))
    numbers = tuple(trial.number for trial, _ in complete)
    return Parallel(sweep.metric, tuple(axes), numbers, tuple(heights), tuple(told))


def _ticks(scale: Scale) -> tuple[tuple[float, str], ...]:
    """Labels of a setting's axis: every choice, or the ends and what lies evenly between them."""
    if scale.choices:
        step = max(1, math.ceil(len(scale.choices) / 12))
        last = max(1, len(scale.choices) - 1)
        one = len(scale.choices) == 1
        return tuple(
            (0.5 if one else place / last, label) for place, label in list(enumerate(scale.choices))[::step]
        )
    if scale.high <= scale.low:
        return ((0.5, setting(scale.low)),)
    if scale.integer and not scale.log:
        steps = range(round(scale.low), round(scale.high) + 1)
        return tuple((scale.share(k), str(k)) for k in steps[:: math.ceil(len(steps) / 6)])
    if not scale.log:
        return tuple((k / 4, f"{scale.low + k / 4 * (scale.high - scale.low):.3g}") for k in range(5))
    low, high = math.log10(scale.low), math.log10(scale.high)
    tens = list(range(math.ceil(low + 0.15), math.floor(high - 0.15) + 1))
    inner = [((k - low) / (high - low), f"{10.0**k:g}") for k in tens[:: max(1, len(tens) // 5)]]
    return ((0.0, f"{scale.low:.2g}"), *inner, (1.0, f"{scale.high:.2g}"))


def _score_ticks(metric: Metric, bottom: float, top: float) -> tuple[tuple[float, str], ...]:
    if bottom == top:
        return ((0.5, metric.format(top)),)
    return tuple((k / 4, metric.format(bottom + k / 4 * (top - bottom))) for k in range(5))


def top_group(numbers: Parallel) -> int:
    """How many of the trials are drawn as the best: a tenth, at least one, at most ten."""
    return min(10, max(1, round(len(numbers.numbers) / 10)))


def sentence(numbers: Parallel) -> str:
    """What the best trials have in common."""
    count = min(5, len(numbers.numbers))
    alike = []
    for place, axis in enumerate(numbers.axes[:-1]):
        known = [row[place] for row in numbers.heights[:count]]
        words = {row[place] for row in numbers.told[:count]}
        heights = [height for height in known if height is not None]
        if words == {SKIPPED[1]}:
            continue
        if len(words) == 1:
            alike.append(f"{axis.name} ({next(iter(words))})")
        elif len(heights) == count and max(heights) - min(heights) <= 0.25:
            low = numbers.told[int(np.argmin(heights))][place]
            high = numbers.told[int(np.argmax(heights))][place]
            alike.append(f"{axis.name} ({low} to {high})")
    best = f"The best {count} of {plural(len(numbers.numbers), 'complete trial')}"
    return f"{best} are alike in {listing(alike)}." if alike else f"{best} have no setting in common."


def draw(numbers: Parallel) -> go.Figure:
    """The best trial in amber, the best tenth in blue, the others grey behind them."""
    top = top_group(numbers)
    last = len(numbers.numbers)
    traces = [
        _ground(numbers),
        _lines(numbers, range(top, last), "others", GREY, 1.0, 0.35),
        _lines(numbers, range(1, top), "best tenth", BLUE, 1.8, 0.9),
        _lines(numbers, range(0, 1), "best", AMBER, 3.0, 1.0),
    ]
    notes = [
        {
            "x": place,
            "y": height,
            "text": plain(label, 14),
            "showarrow": False,
            "xanchor": "left",
            "xshift": 4,
            "font": {"size": 11},
        }
        for place, axis in enumerate(numbers.axes)
        for height, label in axis.ticks
    ]
    places = list(range(len(numbers.axes)))
    lowest = NOT_ASKED - 0.06 if any(None in row for row in numbers.heights) else -0.06
    return drawing(
        [trace for trace in traces if len(trace.x)],
        height=420,
        annotations=notes,
        dragmode="select",
        meta={"axes": [_brushed(axis) for axis in numbers.axes]},
        xaxis={
            "tickvals": places,
            "ticktext": [plain(axis.name.replace("_", " "), 22) for axis in numbers.axes],
            "range": [-0.5, len(places) - 0.4],
            "side": "bottom",
            "gridcolor": "rgba(128,136,148,0.6)",
            "fixedrange": True,
        },
        yaxis={"visible": False, "range": [lowest, 1.08], "fixedrange": True},
    )


def _brushed(axis: Axis) -> dict[str, Any]:
    """What the page needs to know of an axis to filter by what is brushed on it."""
    if axis.choices:
        return {"key": axis.key, "choices": list(axis.choices)}
    return {"key": axis.key, "foot": axis.foot, "head": axis.head, "log": axis.log}


def _ground(numbers: Parallel) -> go.Scatter:
    """All lines, faint: what stays of those that a filter leaves out."""
    xs: list[int | None] = []
    ys: list[float | None] = []
    for heights in numbers.heights:
        xs += [*range(len(heights)), None]
        ys += [*(NOT_ASKED if height is None else height for height in heights), None]
    line = {"color": GREY, "width": 1}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, opacity=0.1, hoverinfo="skip", showlegend=False)


def _lines(
    numbers: Parallel, rows: range, name: str, colour: str, width: float, opacity: float
) -> go.Scatter:
    xs: list[int | None] = []
    ys: list[float | None] = []
    told: list[list[str]] = []
    for row in rows:
        for place, height in enumerate(numbers.heights[row]):
            xs.append(place)
            ys.append(NOT_ASKED if height is None else height)
            name_and_value = [plain(numbers.axes[place].name), plain(numbers.told[row][place])]
            told.append([str(numbers.numbers[row]), *name_and_value, numbers.told[row][-1]])
        xs.append(None)
        ys.append(None)
        told.append([""] * 4)
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=told,
        mode="lines+markers",
        line={"color": colour, "width": width},
        marker={"size": 4},
        opacity=opacity,
        name=name,
        meta=OF_TRIALS,
        hovertemplate="trial %{customdata[0]}: %{customdata[3]}<br>"
        "%{customdata[1]} = %{customdata[2]}<extra></extra>",
    )


FIGURE = Figure[Sweep, Parallel](
    key="parallel",
    title="Parallel coordinates",
    numbers=parallel,
    sentence=sentence,
    draw=draw,
    shape="scroll",
    least_width=lambda numbers: 88 * len(numbers.axes),  # what an upright axis and its labels need
    hint="A box drawn over an axis keeps the trials that pass there, in every drawing and in the trials "
    "table; a double click shows all again.",
)
