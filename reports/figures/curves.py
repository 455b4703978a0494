"""Learning curves: the metric after every epoch of every trial."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis.rungs import rungs_of
from reports.figures.figure import Figure
from reports.figures.style import (
    AMBER,
    COLOUR,
    GREY,
    OF_TRIALS,
    Window,
    count_axis,
    drawing,
    value_axis,
    window,
)
from reports.formatting.wording import listing, plural
from search.records.sweep import State, Sweep
from trainable.contract import Metric

MOST_MARKED = 5_000
"""Maximum number of points of one state's curves drawn with markers, each of them an element of the page."""

MOST_ROWS = 50
"""Maximum number of rows of the table."""


class Curve(NamedTuple):
    """One trial's metric by epoch."""

    number: int
    """The trial's number."""
    state: State
    """The trial's state."""
    epochs: tuple[int, ...]
    """Epochs that have the metric, ascending."""
    values: tuple[float, ...]
    """The metric after each of `epochs`, in its unit."""


class Curves(NamedTuple):
    """The learning curves of all trials."""

    metric: Metric
    curves: tuple[Curve, ...]
    """By trial number, without trials that have no epoch."""
    best: int | None
    """Number of the best trial; None if there is none."""
    window: Window
    rungs: tuple[int, ...]
    """Epochs after which the pruner decides, as far as any curve reaches; empty if it has no rungs."""


def curves(sweep: Sweep) -> Curves | str:
    """Returns the numbers, or why there are none."""
    name = sweep.metric.name
    made = []
    for trial in sweep.trials:
        points = [(epoch.number, epoch.metrics[name]) for epoch in trial.epochs if name in epoch.metrics]
        if points:
            numbers, values = zip(*points, strict=True)
            made.append(Curve(trial.number, trial.state, numbers, values))
    if not made:
        return "No trial has finished an epoch yet, so there are no curves to draw."
    best = sweep.best()
    values = tuple(value for curve in made for value in curve.values)
    shown = window(values, sweep.metric, values if len(made) >= 4 else (), reach=2.5)
    last = max(curve.epochs[-1] for curve in made)
    rungs = tuple(rung for rung in rungs_of(sweep) if rung <= last)
    return Curves(sweep.metric, tuple(made), best.number if best else None, shown, rungs)


def sentence(numbers: Curves) -> str:
    """How many trials are complete, and when the others were pruned."""
    lengths = {state: [c.epochs[-1] for c in numbers.curves if c.state is state] for state in State}
    full, pruned = lengths[State.COMPLETE], lengths[State.PRUNED]
    parts = []
    if full:
        last = f"{max(full)}" if min(full) == max(full) else f"{min(full)} to {max(full)}"
        epochs = "epoch" if last == "1" else "epochs"
        parts.append(f"{plural(len(full), 'trial is', 'trials are')} complete ({last} {epochs})")
    if pruned:
        half = round(float(np.median(pruned)))
        count = plural(len(pruned), "trial was", "trials were")
        parts.append(f"{count} pruned, half of them by epoch {half}")
    others = [
        f"{len(lengths[state])} {'is' if len(lengths[state]) == 1 else 'are'} {state.lower()}"
        for state in State
        if lengths[state] and state not in (State.COMPLETE, State.PRUNED)
    ]
    if others:
        parts.append(listing(others))
    if rungs := numbers.rungs:
        epochs = f"epoch{'s' * (len(rungs) > 1)} {listing([str(rung) for rung in rungs])}"
        parts.append(f"the pruner decides after {epochs} (dotted)")
    if outside := numbers.window.outside:
        values = plural(outside, "value lies", "values lie")
        parts.append(f"{values} outside the visible range, double-click to show all")
    return "; ".join(parts) + "."


def draw(numbers: Curves) -> go.Figure:
    """One line per trial, coloured by state, with the best trial on top."""
    traces = [_lines(numbers, state) for state in State if any(c.state is state for c in numbers.curves)]
    traces += [_best(numbers.metric, curve) for curve in numbers.curves if curve.number == numbers.best]
    hairline = {"color": GREY, "width": 1, "dash": "dot"}
    return drawing(
        traces,
        height=400,
        xaxis=count_axis("epoch", max(curve.epochs[-1] for curve in numbers.curves)),
        yaxis=value_axis(numbers.metric, numbers.window),
        shapes=[
            {"type": "line", "x0": rung, "x1": rung, "y0": 0, "y1": 1, "yref": "paper", "line": hairline}
            | {"layer": "below"}
            for rung in numbers.rungs
        ],
    )


def _lines(numbers: Curves, state: State) -> go.Scatter:
    """All curves of a state as one trace with gaps: hundreds of traces would be slow."""
    xs: list[int | None] = []
    ys: list[float | None] = []
    hovers: list[list[str]] = []
    for curve in numbers.curves:
        if curve.state is state:
            xs += [*curve.epochs, None]
            ys += [*curve.values, None]
            hovers += [[str(curve.number), numbers.metric.format(value)] for value in curve.values]
            hovers.append(["", ""])
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=hovers,
        mode="lines+markers" if len(xs) <= MOST_MARKED else "lines",
        line={"color": COLOUR[state], "width": 1.2},
        marker={"size": 3},
        opacity=0.7,
        name=state.lower(),
        meta=OF_TRIALS,
        hovertemplate="trial %{customdata[0]}, epoch %{x}: %{customdata[1]}<extra></extra>",
    )


def _best(metric: Metric, curve: Curve) -> go.Scatter:
    return go.Scatter(
        x=curve.epochs,
        y=curve.values,
        customdata=[[str(curve.number), metric.format(value)] for value in curve.values],
        mode="lines+markers",
        line={"color": AMBER, "width": 3},
        marker={"size": 6},
        name="best",
        meta=OF_TRIALS,
        hovertemplate="best, trial %{customdata[0]}, epoch %{x}: %{customdata[1]}<extra></extra>",
    )


def table(numbers: Curves) -> pd.DataFrame:
    """One row per epoch, evenly spaced if there are many: the trials' best and median, and the best trial."""
    values: dict[int, list[float]] = {}
    of_best: dict[int, float] = {}
    for curve in numbers.curves:
        for epoch, value in zip(curve.epochs, curve.values, strict=True):
            values.setdefault(epoch, []).append(value)
            if curve.number == numbers.best:
                of_best[epoch] = value
    epochs = sorted(values)
    chosen = epochs if len(epochs) <= MOST_ROWS else epochs[:: math.ceil(len(epochs) / MOST_ROWS)]
    return pd.DataFrame(
        {
            "epoch": epoch,
            "trials": len(values[epoch]),
            "best": numbers.metric.format(numbers.metric.best(values[epoch])),
            "median": numbers.metric.format(float(np.median(values[epoch]))),
            "best trial": numbers.metric.format(of_best.get(epoch)),
        }
        for epoch in chosen
    )


FIGURE = Figure[Sweep, Curves](
    key="curves",
    title="Learning curves",
    numbers=curves,
    sentence=sentence,
    draw=draw,
    table=table,
)
