"""Ablation: which changes to the default recipe make the best one better, one hyperparameter at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from reports.figures.ablation_numbers import Ablation, Step, ablation
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, GREY, ORANGE, drawing, plain, value_axis
from reports.formatting.estimates import difference
from reports.formatting.wording import listing, plural
from reports.importance.surrogate import WEAK, fit_quality
from search.records.confirmation import candidate_name
from search.records.sweep import Sweep
from trainable.contract import Metric

MOST = 3
"""Maximum number of changes that a sentence names."""

ENOUGH = 0.9
"""Share of the gain, 0..1, after which a sentence names no further changes."""


def _words(step: Step) -> str:
    """ "schedule constant → step, gamma – → 0.4"."""
    if not step.changes:
        return "default recipe"
    return ", ".join(f"{change.name} {change.before} → {change.after}" for change in step.changes)


def sentence(numbers: Ablation) -> str:
    """Which changes make most of the gain, the measured total gain, and how good the model is."""
    predicted = numbers.metric.gain(numbers.steps[-1].predicted, numbers.steps[0].predicted)
    path = f"from the default recipe to {candidate_name(numbers.trial)}"
    if predicted <= 0:
        text = f"The model predicts no gain {path}"
    else:
        changes = [f"{_words(step)} ({difference(numbers.metric, step.gain)})" for step in _named(numbers)]
        gain = difference(numbers.metric, predicted)
        text = f"Of the {gain} predicted {path}, most is {listing(changes)}"
    if numbers.start is not None and numbers.end is not None:
        measured = numbers.metric.gain(numbers.end.mean, numbers.start.mean)
        side = "gain" if measured >= 0 else "loss"
        text += f"; measured with fresh seeds, the total {side} is {difference(numbers.metric, measured)}"
    text += f". The steps are predictions of a model that {fit_quality(numbers.r_squared)}"
    if numbers.beyond:
        text += f" and was trained on no {listing(numbers.beyond)} as far out as the default's"
    return f"{text}, too little to rely on." if numbers.r_squared < WEAK else f"{text}."


def _named(numbers: Ablation) -> list[Step]:
    """The steps that a sentence names: those with the largest gains, until they have `ENOUGH` of it."""
    predicted = numbers.metric.gain(numbers.steps[-1].predicted, numbers.steps[0].predicted)
    named: list[Step] = []
    for index in numbers.order[:MOST]:
        step = numbers.steps[index]
        if step.gain > 0 and sum(other.gain for other in named) < ENOUGH * predicted:
            named.append(step)
    return named


def draw(numbers: Ablation) -> go.Figure:
    """A waterfall from the default recipe at the top: each bar begins where the previous one ends."""
    labels = [_label(step) for step in numbers.steps]
    rows = list(range(len(labels)))
    traces = [
        _bars(numbers, [row for row in rows[1:] if numbers.steps[row].gain >= 0], "predicted gain", BLUE),
        _bars(numbers, [row for row in rows[1:] if numbers.steps[row].gain < 0], "predicted loss", ORANGE),
        _predictions(numbers, rows),
        _measurements(numbers, rows),
    ]
    return drawing(
        [trace for trace in traces if trace is not None and len(trace.y)],
        height=130 + 46 * len(rows),
        bargap=0.45,
        legend_entrywidth=120,
        xaxis=value_axis(numbers.metric) | {"nticks": 5},
        yaxis={
            "tickvals": rows,
            "ticktext": labels,
            "range": [len(rows) - 0.4, -0.6],
            "showgrid": False,
        },
    )


def _label(step: Step) -> str:
    if not step.changes:
        return "default recipe"
    first, others = step.changes[0], len(step.changes) - 1
    more = f" +{others}" if others else ""
    name = plain(first.name.replace("_", " "), 20)
    return f"{name}{more}<br>{plain(first.before, 11)} → {plain(first.after, 11)}"


def _bars(numbers: Ablation, rows: Sequence[int], name: str, colour: str) -> go.Bar:
    steps = numbers.steps
    return go.Bar(
        y=list(rows),
        base=[steps[row - 1].predicted for row in rows],
        x=[steps[row].predicted - steps[row - 1].predicted for row in rows],
        customdata=[_hover(numbers, row) for row in rows],
        orientation="h",
        name=name,
        marker={"color": colour},
        hovertemplate="%{customdata[0]}<br>predicted %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )


def _hover(numbers: Ablation, row: int) -> list[str]:
    step, metric = numbers.steps[row], numbers.metric
    return [
        "<br>".join(plain(f"{change.name}: {change.before} → {change.after}", 80) for change in step.changes),
        f"{metric.format(step.predicted)} ± {_size(metric, step.deviation)}",
        f"{_gain(metric, step.gain)} (trees: {_gain(metric, step.low)} to {_gain(metric, step.high)})",
    ]


def _size(metric: Metric, value: float) -> str:
    return f"{100 * value:.2f}" if metric.unit == "share" else f"{value:.2g}"


def _gain(metric: Metric, value: float) -> str:
    """A signed gain: "+0.51 points"."""
    shown = f"{100 * value:+.2f} points" if metric.unit == "share" else f"{value:+.3g} {metric.unit}"
    return shown.rstrip()


def _predictions(numbers: Ablation, rows: Sequence[int]) -> go.Scatter:
    return go.Scatter(
        x=[step.predicted for step in numbers.steps],
        y=list(rows),
        customdata=[
            f"{numbers.metric.format(step.predicted)} ± {_size(numbers.metric, step.deviation)}"
            for step in numbers.steps
        ],
        error_x={
            "array": [step.deviation for step in numbers.steps],
            **{"thickness": 1.4, "width": 4, "color": GREY},
        },
        mode="markers",
        marker={"color": GREY, "size": 6},
        name="predicted ± trees",
        hovertemplate="predicted %{customdata}<extra></extra>",
    )


def _measurements(numbers: Ablation, rows: Sequence[int]) -> go.Scatter:
    ends = [(rows[0], numbers.start), (rows[-1], numbers.end)]
    known = [(row, end) for row, end in ends if end is not None]
    return go.Scatter(
        x=[end.mean for _, end in known],
        y=[row + 0.34 for row, _ in known],
        customdata=[[numbers.metric.format(end.mean), plural(end.seeds, "fresh seed")] for _, end in known],
        error_x={
            "array": [end.high - end.mean for _, end in known],
            **{"thickness": 1.6, "width": 5, "color": AMBER},
        },
        mode="markers",
        marker={"color": AMBER, "size": 10, "symbol": "diamond"},
        name="measured",
        hovertemplate="measured: %{customdata[0]}, mean of %{customdata[1]}<extra></extra>",
    )


def table(numbers: Ablation) -> pd.DataFrame:
    """One row per step, the default recipe first."""
    metric = numbers.metric
    rows = []
    for index, step in enumerate(numbers.steps):
        end = {0: numbers.start, len(numbers.steps) - 1: numbers.end}.get(index)
        gain = _gain(metric, step.gain) if index else ""
        rows.append(
            {
                "step": _words(step),
                "predicted": f"{metric.format(step.predicted)} ± {_size(metric, step.deviation)}",
                "gain": gain,
                "95 % of trees": f"{_gain(metric, step.low)} to {_gain(metric, step.high)}" if index else "",
                "measured": "" if end is None else f"{metric.format(end.mean)} ({plural(end.seeds, 'seed')})",
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Ablation](
    key="ablation",
    title="From the default to the best",
    numbers=ablation,
    sentence=sentence,
    draw=draw,
    table=table,
    reliable=lambda numbers: numbers.r_squared >= WEAK,
)
