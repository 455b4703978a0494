"""Slices: the score against one hyperparameter, for each that was sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.best_trials import BEST
from reports.analysis.narrow_ends import NarrowEnd, narrow_ends, where
from reports.analysis.ranking import trained
from reports.analysis.scale import Scale, scales
from reports.figures.axis import setting_axis
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, OF_TRIALS, Window, drawing, plain, value_axis, window
from reports.formatting.wording import NOTHING, setting
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric


class Slice(NamedTuple):
    """One hyperparameter in the complete trials that sampled it, by number."""

    scale: Scale
    numbers: tuple[int, ...]
    """Numbers of the trials."""
    positions: tuple[float, ...]
    """Each trial's position on the scale (`Scale.position`)."""
    values: tuple[str, ...]
    """Each trial's value as text."""
    scores: tuple[float, ...]
    """Each trial's score, in the metric's unit."""
    best: int | None
    """Index of the best trial; None if it did not sample this hyperparameter."""


class Slices(NamedTuple):
    """The slices of all sampled hyperparameters."""

    metric: Metric
    slices: tuple[Slice, ...]
    """In the plan's order."""
    window: Window
    narrow: tuple[NarrowEnd, ...] | None
    """As `narrow_ends` returns them."""


def slices(sweep: Sweep) -> Slices | str:
    """Returns the numbers, or why there are none."""
    complete = [(t, t.score) for t in trained(sweep) if t.state is State.COMPLETE and t.score is not None]
    if len(complete) < 2:
        return "Slices need at least two complete trials."
    best = sweep.best()
    made = [
        _slice(scale, own, best.number if best else None)
        for scale in scales(sweep)
        if (own := [(trial, score) for trial, score in complete if scale.name in trial.sampled])
    ]
    if not made:
        return "No hyperparameter was sampled, so there is nothing to slice."
    scores = [score for _, score in complete]
    return Slices(
        sweep.metric, tuple(made), window(scores, sweep.metric, scores, reach=5.0), narrow_ends(sweep)
    )


def _slice(scale: Scale, trials: Sequence[tuple[Trial, float]], best: int | None) -> Slice:
    """best: the best trial's number."""
    numbers = tuple(trial.number for trial, _ in trials)
    values = [trial.sampled[scale.name] for trial, _ in trials]
    return Slice(
        scale=scale,
        numbers=numbers,
        positions=tuple(scale.position(value) for value in values),
        values=tuple(setting(value) for value in values),
        scores=tuple(score for _, score in trials),
        best=numbers.index(best) if best in numbers else None,
    )


def sentence(numbers: Slices) -> str:
    """Whether a range looks too narrow, by the rule of the health check."""
    if all(slice_.scale.choices for slice_ in numbers.slices):
        return "All hyperparameters are categorical, so no range could be too narrow."
    if numbers.narrow is None:
        return f"Whether a range is too narrow is told by the best {BEST} trials; fewer are complete."
    if not numbers.narrow:
        return "No search range looks too narrow: the best trials do not cluster next to an end of one."
    return f"{where(numbers.narrow)}: a wider range may hold better values."


def draw(numbers: Slices) -> dict[str, go.Figure]:
    """One small drawing per hyperparameter, by its name, all with the same score axis."""
    return {slice_.scale.name: _draw(numbers, slice_) for slice_ in numbers.slices}


def _draw(numbers: Slices, slice_: Slice) -> go.Figure:
    template = "trial %{customdata[0]}: %{customdata[2]}<br>%{customdata[1]}<extra></extra>"
    hovers = [
        [str(number), plain(text), numbers.metric.format(score)]
        for number, text, score in zip(slice_.numbers, slice_.values, slice_.scores, strict=True)
    ]
    points = go.Scatter(
        x=slice_.positions,
        y=slice_.scores,
        customdata=hovers,
        mode="markers",
        marker={"color": BLUE, "size": 7, "opacity": 0.75},
        meta=OF_TRIALS,
        hovertemplate=template,
    )
    traces = [points]
    if slice_.best is not None:
        star = {"color": AMBER, "symbol": "star", "size": 15}
        at = {
            "x": [slice_.positions[slice_.best]],
            "y": [slice_.scores[slice_.best]],
            "customdata": [hovers[slice_.best]],
        }
        traces.append(go.Scatter(**at, mode="markers", marker=star, hovertemplate=template))
    return drawing(
        traces,
        height=260,
        showlegend=False,
        xaxis=setting_axis(slice_.scale),
        yaxis=value_axis(numbers.metric, numbers.window) | {"title": {"text": ""}},
    )


def table(numbers: Slices) -> pd.DataFrame:
    """One row per hyperparameter: the searched values, the best trial's and the best five trials'."""
    return pd.DataFrame(
        {
            "hyperparameter": slice_.scale.name,
            "searched": _searched(slice_.scale),
            "complete trials": len(slice_.numbers),
            "best trial": NOTHING if slice_.best is None else slice_.values[slice_.best],
            "best five": _best_values(numbers.metric, slice_),
        }
        for slice_ in numbers.slices
    )


def _searched(scale: Scale) -> str:
    if scale.choices:
        return ", ".join(scale.choices)
    return f"{setting(scale.low)} to {setting(scale.high)}{', logarithmic' if scale.log else ''}"


def _best_values(metric: Metric, slice_: Slice) -> str:
    """The values of the best five trials: the smallest to the largest, or each choice with its frequency."""
    sign = metric.sign
    best = sorted(range(len(slice_.numbers)), key=lambda k: (-sign * slice_.scores[k], slice_.numbers[k]))
    five = sorted(best[:5], key=lambda k: slice_.positions[k])
    if slice_.scale.choices:
        counts = Counter(slice_.values[k] for k in five)
        return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
    return f"{slice_.values[five[0]]} to {slice_.values[five[-1]]}"


FIGURE = Figure[Sweep, Slices](
    key="slices",
    title="Score against each hyperparameter",
    numbers=slices,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="small",
)
