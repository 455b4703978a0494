"""Parallel coordinates: every complete trial as a line through its hyperparameters to its score.

Drawn as ordinary lines and not with plotly's `Parcoords`, which needs WebGL: mail viewers, virtual machines
and printers often lack it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from reports.analysis.scale import Scale, scales
from reports.analysis.trials import setting_key, shown_factor
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, GREY, OF_TRIALS, drawing, plain
from reports.formatting.wording import listing, plural, setting
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric

NOT_SAMPLED = -0.12
"""Height at which a line crosses the axis of a hyperparameter that its trial did not sample."""

NOT_USED = "not used"
"""Label of that height."""


class Axis(NamedTuple):
    """One vertical axis."""

    name: str
    """Of the hyperparameter, or of the metric."""
    key: str
    """Of its column in the trials table (`reports.analysis.trials`)."""
    ticks: tuple[tuple[float, str], ...]
    """(height, label) pairs; height 0 is the bottom, 1 the top."""
    foot: float = 0.0
    """The column's value at the bottom."""
    head: float = 1.0
    """The column's value at the top; below `foot` if less is better."""
    log: bool = False
    """Whether values are spaced by their logarithm."""
    choices: tuple[str, ...] = ()
    """The evenly spaced choices of a categorical hyperparameter; empty for a number."""


class Parallel(NamedTuple):
    """The complete trials, the top score first."""

    metric: Metric
    axes: tuple[Axis, ...]
    """The hyperparameters in the plan's order, then the score with its better end at the top."""
    numbers: tuple[int, ...]
    """Numbers of the trials."""
    heights: tuple[tuple[float | None, ...], ...]
    """For each trial its height on each axis, 0..1; None for a hyperparameter that it did not sample."""
    values: tuple[tuple[str, ...], ...]
    """For each trial its value on each axis, as text."""
    best: int | None
    """Index of the best trial (`Sweep.best`); None if the default recipe won."""


def parallel(sweep: Sweep) -> Parallel | str:
    """Returns the numbers, or why there are none."""
    ranked = [(trial, trial.score) for trial in sweep.ranked() if trial.state is State.COMPLETE]
    complete = [(trial, score) for trial, score in ranked if score is not None]
    if len(complete) < 2:
        return "Parallel coordinates need at least two complete trials."
    sampled = scales(sweep)
    if not sampled:
        return "No hyperparameter was sampled, so there is nothing to compare."
    best, worst = complete[0][1], complete[-1][1]
    axes = [_axis(scale, [trial for trial, _ in complete]) for scale in sampled]
    ends = shown_factor(sweep) * worst, shown_factor(sweep) * best
    axes.append(Axis(sweep.metric.name, "score", _score_ticks(sweep.metric, worst, best), *ends))
    heights, values = [], []
    for trial, score in complete:
        own = [
            scale.share(trial.sampled[scale.name]) if scale.name in trial.sampled else None
            for scale in sampled
        ]
        heights.append((*own, (score - worst) / (best - worst) if best != worst else 0.5))
        words = [setting(trial.sampled[s.name]) if s.name in trial.sampled else NOT_USED for s in sampled]
        values.append((*words, sweep.metric.format(score)))
    numbers = tuple(trial.number for trial, _ in complete)
    best_trial = sweep.best()
    at = numbers.index(best_trial.number) if best_trial and best_trial.number in numbers else None
    return Parallel(sweep.metric, tuple(axes), numbers, tuple(heights), tuple(values), at)


def _axis(scale: Scale, trials: Sequence[Trial]) -> Axis:
    """A hyperparameter's axis, with a label for the trials that did not sample it."""
    ticks = _ticks(scale)
    if not all(scale.name in trial.sampled for trial in trials):
        ticks = (*ticks, (NOT_SAMPLED, NOT_USED))
    return Axis(scale.name, setting_key(scale.name), ticks, scale.low, scale.high, scale.log, scale.choices)


def _ticks(scale: Scale) -> tuple[tuple[float, str], ...]:
    """Labels of a hyperparameter's axis: every choice, or the ends and evenly spaced values between."""
    if scale.choices:
        step = max(1, math.ceil(len(scale.choices) / 12))
        last = max(1, len(scale.choices) - 1)
        single = len(scale.choices) == 1
        return tuple(
            (0.5 if single else index / last, label)
            for index, label in list(enumerate(scale.choices))[::step]
        )
    if scale.high <= scale.low:
        return ((0.5, setting(scale.low)),)
    if scale.integer and not scale.log:
        steps = range(round(scale.low), round(scale.high) + 1)
        return tuple((scale.share(k), str(k)) for k in steps[:: math.ceil(len(steps) / 6)])
    if not scale.log:
        return tuple((k / 4, f"{scale.low + k / 4 * (scale.high - scale.low):.3g}") for k in range(5))
    low, high = math.log10(scale.low), math.log10(scale.high)
    powers = list(range(math.ceil(low + 0.15), math.floor(high - 0.15) + 1))
    inner = [((k - low) / (high - low), f"{10.0**k:g}") for k in powers[:: max(1, len(powers) // 5)]]
    return ((0.0, f"{scale.low:.2g}"), *inner, (1.0, f"{scale.high:.2g}"))


def _score_ticks(metric: Metric, worst: float, best: float) -> tuple[tuple[float, str], ...]:
    if worst == best:
        return ((0.5, metric.format(best)),)
    return tuple((k / 4, metric.format(worst + k / 4 * (best - worst))) for k in range(5))


def top_group(numbers: Parallel) -> int:
    """How many trials are drawn as the top tenth: a tenth, at least one, at most ten."""
    return min(10, max(1, round(len(numbers.numbers) / 10)))


def sentence(numbers: Parallel) -> str:
    """What the trials with the top scores have in common."""
    count = min(5, len(numbers.numbers))
    alike = []
    for index, axis in enumerate(numbers.axes[:-1]):
        own = [row[index] for row in numbers.heights[:count]]
        values = {row[index] for row in numbers.values[:count]}
        heights = [height for height in own if height is not None]
        if values == {NOT_USED}:
            continue
        if len(values) == 1:
            alike.append(f"{axis.name} ({next(iter(values))})")
        elif len(heights) == count and max(heights) - min(heights) <= 0.25:
            low = numbers.values[int(np.argmin(heights))][index]
            high = numbers.values[int(np.argmax(heights))][index]
            alike.append(f"{axis.name} ({low} to {high})")
    top = f"The top {count} of {plural(len(numbers.numbers), 'complete trial')}"
    if not alike:
        return f"{top} have no hyperparameter in common."
    return f"{top} are similar in {listing(alike)}."


def draw(numbers: Parallel) -> go.Figure:
    """The best trial in amber, the top tenth in blue, the others in grey behind them."""
    top = top_group(numbers)
    last = len(numbers.numbers)
    traces = [
        _background(numbers),
        _lines(numbers, [row for row in range(top, last) if row != numbers.best], "others", GREY, 1.0, 0.35),
        _lines(numbers, [row for row in range(top) if row != numbers.best], "top tenth", BLUE, 1.8, 0.9),
        _lines(numbers, [] if numbers.best is None else [numbers.best], "best", AMBER, 3.0, 1.0),
    ]
    labels = [
        {
            "x": index,
            "y": height,
            "text": plain(label, 14),
            "showarrow": False,
            "xanchor": "left",
            "xshift": 4,
            "font": {"size": 11},
        }
        for index, axis in enumerate(numbers.axes)
        for height, label in axis.ticks
    ]
    lowest = NOT_SAMPLED - 0.06 if any(None in row for row in numbers.heights) else -0.06
    return drawing(
        [trace for trace in traces if len(trace.x)],
        height=420,
        annotations=labels,
        dragmode="select",
        meta={"axes": [_filter_axis(axis) for axis in numbers.axes]},
        xaxis={
            "tickvals": list(range(len(numbers.axes))),
            "ticktext": [plain(axis.name.replace("_", " "), 22) for axis in numbers.axes],
            "range": [-0.5, len(numbers.axes) - 0.4],
            "side": "bottom",
            "gridcolor": "rgba(128,136,148,0.6)",
            "fixedrange": True,
        },
        yaxis={"visible": False, "range": [lowest, 1.08], "fixedrange": True},
    )


def _filter_axis(axis: Axis) -> dict[str, Any]:
    """What the page needs to filter by a box drawn over the axis."""
    if axis.choices:
        return {"key": axis.key, "choices": list(axis.choices)}
    return {"key": axis.key, "foot": axis.foot, "head": axis.head, "log": axis.log}


def _background(numbers: Parallel) -> go.Scatter:
    """All lines, faint; they stay when a filter hides the others."""
    xs: list[int | None] = []
    ys: list[float | None] = []
    for heights in numbers.heights:
        xs += [*range(len(heights)), None]
        ys += [*(NOT_SAMPLED if height is None else height for height in heights), None]
    line = {"color": GREY, "width": 1}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, opacity=0.1, hoverinfo="skip", showlegend=False)


def _lines(
    numbers: Parallel, rows: Iterable[int], name: str, colour: str, width: float, opacity: float
) -> go.Scatter:
    xs: list[int | None] = []
    ys: list[float | None] = []
    hovers: list[list[str]] = []
    for row in rows:
        for index, height in enumerate(numbers.heights[row]):
            xs.append(index)
            ys.append(NOT_SAMPLED if height is None else height)
            name_and_value = [plain(numbers.axes[index].name), plain(numbers.values[row][index])]
            hovers.append([str(numbers.numbers[row]), *name_and_value, numbers.values[row][-1]])
        xs.append(None)
        ys.append(None)
        hovers.append([""] * 4)
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=hovers,
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
    least_width=lambda numbers: 88 * len(numbers.axes),  # pixels that an axis and its labels need
    hint="Draw a box over an axis to keep only the trials that pass through it, in every drawing and in the "
    "trials table; double-click to show all again.",
)
