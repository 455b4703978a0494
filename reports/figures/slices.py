"""Slices: the score against one setting, for every setting that was sampled."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.ranking import trained
from reports.analysis.scale import Scale, scales
from reports.figures.axis import setting_axis
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, OF_TRIALS, Window, drawing, plain, value_axis, window
from reports.formatting.wording import NOTHING, listing, setting
from search.records.sweep import State, Sweep
from trainable.contract import Metric

EDGE = 0.05
"""Share of a range next to its ends in which a best value asks for a wider range."""


class Slice(NamedTuple):
    """One setting in the complete trials that sampled it, by number.

    positions: on the setting's scale (`Scale.position`). told: the values as text.
    best: the best trial's place in `numbers`; None where it was not asked for this setting.
    """

    scale: Scale
    numbers: tuple[int, ...]
    positions: tuple[float, ...]
    told: tuple[str, ...]
    scores: tuple[float, ...]
    best: int | None

    @property
    def best_at_edge(self) -> bool:
        """Whether the best value lies at an end of a numeric range beyond which a better one may lie."""
        if self.best is None or self.scale.choices:
            return False
        share = self.scale.share(self.positions[self.best])
        return share > 1 - EDGE or (share < EDGE and not self.scale.starts_at_zero)


class Slices(NamedTuple):
    """One slice per sampled setting, in the plan's order."""

    metric: Metric
    slices: tuple[Slice, ...]
    window: Window


def slices(sweep: Sweep) -> Slices | str:
    """The numbers, or why there are none."""
    complete = [(t, t.score) for t in trained(sweep) if t.state is State.COMPLETE and t.score is not None]
    if len(complete) < 2:
        return "Slices need at least two complete trials."
    best = sweep.best()
    made = []
    for scale in scales(sweep):
        held = [(t, score) for t, score in complete if scale.name in t.sampled]
        if held:
            numbers = tuple(trial.number for trial, _ in held)
            values = [trial.sampled[scale.name] for trial, _ in held]
            made.append(
                Slice(
                    scale=scale,
                    numbers=numbers,
                    positions=tuple(scale.position(value) for value in values),
                    told=tuple(setting(value) for value in values),
                    scores=tuple(score for _, score in held),
                    best=numbers.index(best.number) if best and best.number in numbers else None,
                )
            )
    if not made:
        return "No setting was sampled, so there is nothing to slice."
    scores = [score for _, score in complete]
    return Slices(sweep.metric, tuple(made), window(scores, sweep.metric, scores, reach=5.0))


def sentence(numbers: Slices) -> str:
    """Whether the best values lie well inside their ranges."""
    edges = [one.scale.name for one in numbers.slices if one.best_at_edge]
    if edges:
        verb = "lies at an end of its range" if len(edges) == 1 else "lie at an end of their ranges"
        return f"The best trial's {listing(edges)} {verb}: a wider one may hold a better value."
    if any(one.best is not None and not one.scale.choices for one in numbers.slices):
        return "No setting of the best trial lies at an end beyond which a better value may lie."
    return "The best trial's settings are choices, so no range could be too narrow."


def draw(numbers: Slices) -> dict[str, go.Figure]:
    """One small figure a setting, by its name, all with the same score axis."""
    return {one.scale.name: _draw(numbers, one) for one in numbers.slices}


def _draw(numbers: Slices, one: Slice) -> go.Figure:
    template = "trial %{customdata[0]}: %{customdata[2]}<br>%{customdata[1]}<extra></extra>"
    told = [
        [str(number), plain(text), numbers.metric.format(score)]
        for number, text, score in zip(one.numbers, one.told, one.scores, strict=True)
    ]
    points = go.Scatter(
        x=one.positions,
        y=one.scores,
        customdata=told,
        mode="markers",
        marker={"color": BLUE, "size": 7, "opacity": 0.75},
        meta=OF_TRIALS,
        hovertemplate=template,
    )
    traces = [points]
    if one.best is not None:
        star = {"color": AMBER, "symbol": "star", "size": 15}
        at = {"x": [one.positions[one.best]], "y": [one.scores[one.best]], "customdata": [told[one.best]]}
        traces.append(go.Scatter(**at, mode="markers", marker=star, hovertemplate=template))
    return drawing(
        traces,
        height=260,
        showlegend=False,
        xaxis=setting_axis(one.scale),
        yaxis=value_axis(numbers.metric, numbers.window) | {"title": {"text": ""}},
    )


def table(numbers: Slices) -> pd.DataFrame:
    """A row a setting: what was searched, what the best trial has, and what the best five have."""
    return pd.DataFrame(
        {
            "setting": one.scale.name,
            "searched": _searched(one.scale),
            "complete trials": len(one.numbers),
            "best trial": NOTHING if one.best is None else one.told[one.best],
            "best five": _among(numbers.metric, one),
        }
        for one in numbers.slices
    )


def _searched(scale: Scale) -> str:
    if scale.choices:
        return ", ".join(scale.choices)
    return f"{setting(scale.low)} to {setting(scale.high)}{', by its logarithm' if scale.log else ''}"


def _among(metric: Metric, one: Slice) -> str:
    """The values of the five best of its trials: from least to most, or each choice and how often."""
    sign = metric.sign
    best = sorted(range(len(one.numbers)), key=lambda place: (-sign * one.scores[place], one.numbers[place]))
    places = sorted(best[:5], key=lambda place: one.positions[place])
    if one.scale.choices:
        counts = Counter(one.told[place] for place in places)
        return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
    return f"{one.told[places[0]]} to {one.told[places[-1]]}"


FIGURE = Figure[Sweep, Slices](
    key="slices",
    title="Score against each setting",
    numbers=slices,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="small",
)
