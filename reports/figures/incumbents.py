"""Incumbents: the best score so far of several searches, by trials, by epochs and by search time."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.runs import ComparableRuns
from reports.figures.figure import Figure
from reports.figures.stroke import stroke
from reports.figures.style import Window, drawing, plain, value_axis, window
from reports.figures.trace import By, Trace, cost, trace
from reports.formatting.wording import NOTHING, duration, listing
from trainable.contract import Metric

FEW = 4
"""Maximum number of runs that a sentence names one by one."""

TITLES: dict[By, str] = {
    "trials": "Best so far, by trials",
    "epochs": "Best so far, by epochs",
    "seconds": "Best so far, by search time",
}


class Incumbents(NamedTuple):
    """The traces of the runs of a group that have an incumbent."""

    metric: Metric
    by: By
    """What the runs are compared by."""
    traces: tuple[Trace, ...]
    window: Window
    untimed: tuple[str, ...] = ()
    """Names of runs that are left out because their records do not say when trials finished."""


def incumbents(group: ComparableRuns, by: By) -> Incumbents | str:
    """Returns the numbers, or why there are none."""
    traces = [known for known in map(trace, group.runs) if known.incumbents]
    if not traces:
        names = listing([run.short for run in group.runs])
        return f"No trial of {names} is complete yet, so there is no best score."
    untimed: list[str] = []
    if by == "seconds":
        untimed = [known.run.short for known in traces if known.seconds is None]
        traces = [known for known in traces if known.seconds is not None]
        if not traces:
            return "The records do not say when the trials finished, so nothing can be drawn by time."
    scores = [incumbent.score for known in traces for incumbent in known.incumbents]
    return Incumbents(
        group.metric, by, tuple(traces), window(scores, group.metric, scores, reach=1.5), tuple(untimed)
    )


def sentence(numbers: Incumbents) -> str:
    """How soon each run reached the weakest of their best scores, and which runs are left out."""
    text = _reached(numbers)
    if numbers.by == "seconds" and any(len(known.run.sweep.sessions) > 1 for known in numbers.traces):
        text += " Pauses between starts do not count."
    if untimed := numbers.untimed:
        text += f" The records of {listing(untimed)} do not say when trials finished, so it is left out."
    if numbers.window.outside:
        text += " Some early scores lie outside the visible range; double-click to show them."
    return text


def _reached(numbers: Incumbents) -> str:
    metric, by = numbers.metric, numbers.by
    bests = [(known, known.best) for known in numbers.traces if known.best is not None]
    weakest, target = bests[0]
    for known, best in bests[1:]:
        if metric.better(target.score, best.score):
            weakest, target = known, best
    score, name = metric.format(target.score), weakest.run.short
    if len(bests) == 1:
        at, end = target.at(by), weakest.end(by)
        after = "" if at is None or end is None else f" after {cost(by, at)} of {cost(by, end)}"
        return f"{name} reached its best, {score},{after}."
    reached = [
        (at, known.run.short)
        for known, _ in bests
        if (first := known.reached(metric, target.score)) is not None and (at := first.at(by)) is not None
    ]
    parts = [f"{run} after {cost(by, at)}" for at, run in sorted(reached)]
    if len(parts) > FEW:
        parts = [f"{parts[0]} (the fastest)", f"{parts[-1]} (the slowest)"]
    return f"{score}, the best of {name}, was reached by {listing(parts)}."


def draw(numbers: Incumbents) -> go.Figure:
    """A staircase a run, marked where a trial was better than all before it."""
    return drawing(
        [_stair(numbers, known) for known in numbers.traces],
        height=340 + 14 * len(numbers.traces),
        showlegend=True,
        legend_entrywidth=150 if any(len(known.run.short) > 9 for known in numbers.traces) else 90,
        xaxis=_axis(numbers),
        yaxis=value_axis(numbers.metric, numbers.window),
    )


def _axis(numbers: Incumbents) -> dict[str, object]:
    title = {"trials": "trials finished", "epochs": "epochs trained", "seconds": "search time"}
    axis: dict[str, object] = {"title": {"text": title[numbers.by]}, "rangemode": "tozero"}
    if numbers.by != "seconds":
        return axis | {"tickformat": ",d"}
    axis["title"] = {"text": f"search time ({_unit(numbers)[1]})"}
    return axis


def _unit(numbers: Incumbents) -> tuple[float, str]:
    """Seconds of the time axis's unit, and its name."""
    longest = max(known.end("seconds") or 0.0 for known in numbers.traces)
    if longest < 180:
        return 1.0, "seconds"
    return (60.0, "minutes") if longest < 3 * 3600 else (3600.0, "hours")


def _stair(numbers: Incumbents, run: Trace) -> go.Scatter:
    look, by, name = stroke(run.run.position), numbers.by, plain(run.run.short)
    unit = _unit(numbers)[0] if by == "seconds" else 1.0
    steps = [(at, incumbent) for incumbent in run.incumbents if (at := incumbent.at(by)) is not None]
    xs = [at / unit for at, _ in steps]
    ys = [incumbent.score for _, incumbent in steps]
    hovers = [
        [name, str(incumbent.number), numbers.metric.format(incumbent.score), cost(by, at)]
        for at, incumbent in steps
    ]
    end = run.end(by)
    sizes = [look.marker["size"]] * len(xs)
    if xs and end is not None and end / unit > xs[-1]:
        xs, ys, sizes = [*xs, end / unit], [*ys, ys[-1]], [*sizes, 0]
        hovers = [*hovers, [*hovers[-1][:3], f"{cost(by, end)}, the end of the run"]]
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=hovers,
        mode="lines+markers",
        line={**look.line, "shape": "hv"},
        marker={**look.marker, "size": sizes, "opacity": 1, "line": {"width": 0}},
        name=name,
        hovertemplate="%{customdata[0]}, trial %{customdata[1]}: %{customdata[2]}<br>"
        "after %{customdata[3]}<extra></extra>",
    )


def table(numbers: Incumbents) -> pd.DataFrame:
    """A row an incumbent."""
    return pd.DataFrame(
        {
            "run": known.run.label,
            "trial": incumbent.number,
            numbers.metric.name.replace("_", " "): numbers.metric.format(incumbent.score),
            "trials finished": incumbent.trials,
            "epochs trained": incumbent.epochs,
            "search time": NOTHING if incumbent.seconds is None else duration(incumbent.seconds),
        }
        for known in numbers.traces
        for incumbent in known.incumbents
    )


FIGURES = tuple(
    Figure[ComparableRuns, Incumbents](
        key=f"best-by-{by}",
        title=title,
        numbers=partial(incumbents, by=by),
        sentence=sentence,
        draw=draw,
        table=table,
    )
    for by, title in TITLES.items()
)
