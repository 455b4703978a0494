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
"""Points of one state's curves above which they are drawn without dots, each an element of the page."""

MOST_ROWS = 50


class Curve(NamedTuple):
    """One trial's metric by epoch; `values[k]` was measured after epoch `epochs[k]`."""

    number: int
    state: State
    epochs: tuple[int, ...]
    values: tuple[float, ...]


class Curves(NamedTuple):
    """The curves of all trials that have an epoch, by number. best: the best trial's number. rungs: the
    epochs after which the pruner decides, as far as a curve reaches; none for a pruner without."""

    metric: Metric
    curves: tuple[Curve, ...]
    best: int | None
    window: Window
    rungs: tuple[int, ...]


def curves(sweep: Sweep) -> Curves | str:
    """The numbers, or why there are none."""
    name = sweep.metric.name
    made = []
    for trial in sweep.trials:
        told = [(epoch.number, epoch.metrics[name]) for epoch in trial.epochs if name in epoch.metrics]
        if told:
            numbers, values = zip(*told, strict=True)
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
    """How many ran to their end, and where the others were stopped."""
    lengths = {state: [c.epochs[-1] for c in numbers.curves if c.state is state] for state in State}
    full, stopped = lengths[State.COMPLETE], lengths[State.PRUNED]
    told = []
    if full:
        last = f"{max(full)}" if min(full) == max(full) else f"{min(full)} to {max(full)}"
        epochs = "epoch" if last == "1" else "epochs"
        told.append(f"{plural(len(full), 'trial')} ran to the end ({last} {epochs})")
    if stopped:
        half = round(float(np.median(stopped)))
        count = plural(len(stopped), "trial was", "trials were")
        told.append(f"{count} stopped early, half of them by epoch {half}")
    others = len(numbers.curves) - len(full) - len(stopped)
    if others:
        told.append(
            f"{plural(others, 'curve belongs', 'curves belong')} to trials that ended otherwise or go on"
        )
    if rungs := numbers.rungs:
        epochs = f"epoch{'s' * (len(rungs) > 1)} {listing([str(rung) for rung in rungs])}"
        told.append(f"the pruner decides after {epochs}, the dotted lines")
    if outside := numbers.window.outside:
        told.append(
            f"{plural(outside, 'value lies', 'values lie')} beyond the window, a double click shows all"
        )
    return "; ".join(told) + "."


def draw(numbers: Curves) -> go.Figure:
    """One line a trial, coloured by state; the best trial stands out."""
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
    """All curves of a state as one trace, a gap between two: hundreds of traces would be slow."""
    xs: list[int | None] = []
    ys: list[float | None] = []
    told: list[list[str]] = []
    for curve in numbers.curves:
        if curve.state is state:
            xs += [*curve.epochs, None]
            ys += [*curve.values, None]
            told += [[str(curve.number), numbers.metric.format(value)] for value in curve.values] + [["", ""]]
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=told,
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
    """A row an epoch, of many evenly taken ones: how its trials stood, and where the best one did."""
    at: dict[int, list[float]] = {}
    own: dict[int, float] = {}
    for curve in numbers.curves:
        for epoch, value in zip(curve.epochs, curve.values, strict=True):
            at.setdefault(epoch, []).append(value)
            if curve.number == numbers.best:
                own[epoch] = value
    epochs = sorted(at)
    chosen = epochs if len(epochs) <= MOST_ROWS else epochs[:: math.ceil(len(epochs) / MOST_ROWS)]
    return pd.DataFrame(
        {
            "epoch": epoch,
            "trials": len(at[epoch]),
            "best": numbers.metric.format(numbers.metric.best(at[epoch])),
            "median": numbers.metric.format(float(np.median(at[epoch]))),
            "best trial": numbers.metric.format(own.get(epoch)),
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
