"""Efficiency: the best score so far against trials, epochs and time, beside random search.

What random search would have found is estimated from the sweep's own random trials.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis.ranking import trained
from reports.analysis.reference import FEWEST, expected_best, outcomes, random_trials, sampler_ignores_scores
from reports.analysis.runs import compared_runs
from reports.figures.figure import Figure
from reports.figures.style import BLUE, GREY, Window, count_axis, drawing, value_axis, window
from reports.figures.trace import By, Trace, cost, trace
from reports.formatting.wording import NOTHING, duration, plural, steady
from search.records.sweep import Sweep
from trainable.contract import Metric

POINTS = 60
"""Places at which random search is drawn."""


class Reference(NamedTuple):
    """Random search at the places of `Efficiency.trials`.

    drawn: random trials it is told from. best: the score that the best of as many random trials would have in
    the mean, in the metric's unit. epochs, seconds: what one of them cost in the mean.
    """

    drawn: int
    best: tuple[float, ...]
    epochs: float
    seconds: float


class Efficiency(NamedTuple):
    """The search's incumbents (`reports.figures.trace.Trace`) beside random search.

    trials: numbers of trials, 1 to all. workers: what the random trials' training time is divided by, where
    it is laid beside search time. reference: None where too few trials were random, or all.
    """

    metric: Metric
    trace: Trace
    trials: tuple[int, ...]
    workers: float
    reference: Reference | None
    blind: bool
    window: Window


def efficiency(sweep: Sweep) -> Efficiency | str:
    """The numbers, or why there are none."""
    (run,) = compared_runs([sweep])
    told = trace(run)
    if not told.incumbents:
        return "No trial has trained to its end yet, so there is no best score."
    own = trained(sweep)
    places = np.unique(np.geomspace(1, len(own), min(POINTS, len(own))).round().astype(np.int64))
    drawn = () if sampler_ignores_scores(sweep) else random_trials(sweep)
    reference = None
    if len(drawn) >= FEWEST and len(drawn) < len(own):
        best = expected_best(outcomes(sweep, drawn), places)
        if np.isfinite(best).all():
            reference = Reference(
                drawn=len(drawn),
                best=tuple(steady(sweep.metric.sign * value) for value in best),
                epochs=sum(len(trial.epochs) for trial in drawn) / len(drawn),
                seconds=sum(trial.seconds for trial in drawn) / len(drawn),
            )
    scores = [each.score for each in told.incumbents] + list(reference.best if reference else ())
    trained_for = sum(trial.seconds for trial in own)
    return Efficiency(
        metric=sweep.metric,
        trace=told,
        trials=tuple(int(place) for place in places),
        workers=max(trained_for / told.seconds, 1e-9) if told.seconds else 1.0,
        reference=reference,
        blind=sampler_ignores_scores(sweep),
        window=window(scores, sweep.metric, scores, reach=1.5),
    )


def sentence(numbers: Efficiency) -> str:
    """What the best cost, and how that compares with random search."""
    best = numbers.trace.incumbents[-1]
    spent = [plural(best.trials, "trial"), plural(best.epochs, "epoch")]
    if best.seconds is not None:
        spent.append(duration(best.seconds))
    told = f"{numbers.metric.format(best.score)} was found after {', '.join(spent)} of search"
    if numbers.blind:
        return f"{told}; the sampler draws blindly, so this is random search itself."
    if numbers.reference is None:
        return f"{told}; too few trials were drawn at random to say what random search would have found."
    count, blind = numbers.trials[-1], numbers.reference.best[-1]
    better = numbers.metric.better(best.score, blind)
    meaning = "less than this search found" if better else "no less than this search found"
    return (
        f"{told}. The best of {plural(count, 'random trial')} would have {numbers.metric.format(blind)} in "
        f"the mean, {meaning}. This is estimated from its {numbers.reference.drawn} random trials, and "
        f"cannot exceed the best of them."
    )


def draw(numbers: Efficiency) -> dict[str, go.Figure]:
    """One figure each against trials, epochs and search time; the last is left out where the records tell no
    time."""
    axes: dict[By, str] = {
        "trials": "trials that were over",
        "epochs": "epochs trained",
        "seconds": "search time",
    }
    return {by: _draw(numbers, by, title) for by, title in axes.items() if numbers.trace.end(by) is not None}


def _draw(numbers: Efficiency, by: By, title: str) -> go.Figure:
    end = numbers.trace.end(by) or 0.0
    unit, axis = 1.0, count_axis(title, int(end))
    if by == "seconds":
        unit, name = next((size, name) for size, name, least in UNITS if end >= least)
        axis = {"title": {"text": f"{title} ({name})"}}
    traces = [] if numbers.reference is None else [_random(numbers, numbers.reference, by, end, unit)]
    return drawing(
        [*traces, _found(numbers, by, end, unit)],
        height=300,
        legend_entrywidth=90,
        xaxis=axis | {"range": [0, 1.03 * end / unit]},
        yaxis=value_axis(numbers.metric, numbers.window) | {"title": {"text": ""}},
    )


UNITS = ((3600.0, "hours", 3 * 3600.0), (60.0, "minutes", 180.0), (1.0, "seconds", 0.0))
"""Seconds of a unit of the time axis, its name, and from how many seconds of search on it is used."""


def _found(numbers: Efficiency, by: By, end: float, unit: float) -> go.Scatter:
    known = [(at, each) for each in numbers.trace.incumbents if (at := each.at(by)) is not None]
    said = [[str(each.number), numbers.metric.format(each.score), cost(by, at)] for at, each in known]
    last = known[-1][1]
    return go.Scatter(
        x=[*(at / unit for at, _ in known), end / unit],
        y=[*(each.score for _, each in known), last.score],
        customdata=[*said, [str(last.number), said[-1][1], cost(by, end)]],
        mode="lines+markers",
        line={"color": BLUE, "width": 2, "shape": "hv"},
        marker={"size": [*[6] * len(known), 0]},
        name="this search",
        hovertemplate="trial %{customdata[0]}: %{customdata[1]}<br>after %{customdata[2]}<extra></extra>",
    )


def _random(numbers: Efficiency, reference: Reference, by: By, end: float, unit: float) -> go.Scatter:
    each = {"trials": 1.0, "epochs": reference.epochs, "seconds": reference.seconds / numbers.workers}[by]
    known = [
        (count * each, best)
        for count, best in zip(numbers.trials, reference.best, strict=True)
        if count * each <= end
    ]
    return go.Scatter(
        x=[at / unit for at, _ in known],
        y=[best for _, best in known],
        customdata=[[numbers.metric.format(best), cost(by, at)] for at, best in known],
        mode="lines",
        line={"color": GREY, "width": 2, "dash": "dash"},
        name="random",
        hovertemplate="random search: %{customdata[0]} in the mean<br>after %{customdata[1]}<extra></extra>",
    )


def table(numbers: Efficiency) -> pd.DataFrame:
    """A row an incumbent, and what as many random trials would have found."""
    random = (
        None
        if numbers.reference is None
        else np.interp(
            [each.trials for each in numbers.trace.incumbents], numbers.trials, numbers.reference.best
        )
    )
    return pd.DataFrame(
        {
            "trial": each.number,
            "best so far": numbers.metric.format(each.score),
            "trials over": each.trials,
            "epochs trained": each.epochs,
            "search time": NOTHING if each.seconds is None else duration(each.seconds),
            "random search": NOTHING if random is None else numbers.metric.format(float(random[place])),
        }
        for place, each in enumerate(numbers.trace.incumbents)
    )


FIGURE = Figure[Sweep, Efficiency](
    key="efficiency",
    title="Best so far, and random search",
    numbers=efficiency,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="small",
)
