"""Efficiency: the best score so far against trials, epochs and time, compared with random search.

The score of random search is estimated from the sweep's own random trials.
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
"""Maximum number of points at which random search is drawn."""


class Reference(NamedTuple):
    """Random search after the numbers of trials in `Efficiency.trials`."""

    drawn: int
    """Number of random trials that it is estimated from."""
    best: tuple[float, ...]
    """Expected best score of that many random trials, in the metric's unit."""
    epochs: float
    """Mean epochs of a random trial."""
    seconds: float
    """Mean training time of a random trial."""


class Efficiency(NamedTuple):
    """The search's incumbents compared with random search."""

    metric: Metric
    trace: Trace
    """The incumbents of the search."""
    trials: tuple[int, ...]
    """Numbers of trials, ascending from 1 to all."""
    workers: float
    """Mean number of trials that trained at once, by which training time is divided to give search time."""
    reference: Reference | None
    """None if too few trials were random, or all were."""
    blind: bool
    """Whether the sampler ignores scores, so that the search is random search itself."""
    window: Window


def efficiency(sweep: Sweep) -> Efficiency | str:
    """Returns the numbers, or why there are none."""
    (run,) = compared_runs([sweep])
    progress = trace(run)
    if not progress.incumbents:
        return "No trial is complete yet, so there is no best score."
    own = trained(sweep)
    counts = np.unique(np.geomspace(1, len(own), min(POINTS, len(own))).round().astype(np.int64))
    drawn = () if sampler_ignores_scores(sweep) else random_trials(sweep)
    reference = None
    if len(drawn) >= FEWEST and len(drawn) < len(own):
        best = expected_best(outcomes(sweep, drawn), counts)
        if np.isfinite(best).all():
            reference = Reference(
                drawn=len(drawn),
                best=tuple(steady(sweep.metric.sign * value) for value in best),
                epochs=sum(len(trial.epochs) for trial in drawn) / len(drawn),
                seconds=sum(trial.seconds for trial in drawn) / len(drawn),
            )
    scores = [incumbent.score for incumbent in progress.incumbents]
    scores += reference.best if reference else ()
    trained_for = sum(trial.seconds for trial in own)
    return Efficiency(
        metric=sweep.metric,
        trace=progress,
        trials=tuple(int(count) for count in counts),
        workers=max(trained_for / progress.seconds, 1e-9) if progress.seconds else 1.0,
        reference=reference,
        blind=sampler_ignores_scores(sweep),
        window=window(scores, sweep.metric, scores, reach=1.5),
    )


def sentence(numbers: Efficiency) -> str:
    """What the best score cost, and how it compares with random search."""
    best = numbers.trace.incumbents[-1]
    spent = [plural(best.trials, "trial"), plural(best.epochs, "epoch")]
    if best.seconds is not None:
        spent.append(duration(best.seconds))
    text = f"{numbers.metric.format(best.score)} was found after {', '.join(spent)} of search"
    if numbers.blind:
        return f"{text}; the sampler ignores scores, so this is random search itself."
    if numbers.reference is None:
        return f"{text}; too few trials were drawn at random to estimate the score of random search."
    count, random = numbers.trials[-1], numbers.reference.best[-1]
    if numbers.metric.format(random) == numbers.metric.format(best.score):
        comparison = "equal to this search's best in all digits shown"
    elif numbers.metric.better(best.score, random):
        comparison = "worse than this search's best"
    else:
        comparison = "no worse than this search's best"
    return (
        f"{text}. The expected best of {plural(count, 'random trial')} is {numbers.metric.format(random)}, "
        f"{comparison}. This is estimated from its {numbers.reference.drawn} random trials, and cannot "
        f"exceed the best of them."
    )


def draw(numbers: Efficiency) -> dict[str, go.Figure]:
    """One drawing each against trials, epochs and search time; the last is left out if the records have no
    times."""
    axes: dict[By, str] = {
        "trials": "trials finished",
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
        [*traces, _incumbents(numbers, by, end, unit)],
        height=300,
        legend_entrywidth=90,
        xaxis=axis | {"range": [0, 1.03 * end / unit]},
        yaxis=value_axis(numbers.metric, numbers.window) | {"title": {"text": ""}},
    )


UNITS = ((3600.0, "hours", 3 * 3600.0), (60.0, "minutes", 180.0), (1.0, "seconds", 0.0))
"""Units of the time axis: seconds, name, and the minimum search time in seconds for which it is used."""


def _incumbents(numbers: Efficiency, by: By, end: float, unit: float) -> go.Scatter:
    known = [
        (at, incumbent) for incumbent in numbers.trace.incumbents if (at := incumbent.at(by)) is not None
    ]
    hovers = [
        [str(incumbent.number), numbers.metric.format(incumbent.score), cost(by, at)]
        for at, incumbent in known
    ]
    last = known[-1][1]
    return go.Scatter(
        x=[*(at / unit for at, _ in known), end / unit],
        y=[*(incumbent.score for _, incumbent in known), last.score],
        customdata=[*hovers, [str(last.number), hovers[-1][1], cost(by, end)]],
        mode="lines+markers",
        line={"color": BLUE, "width": 2, "shape": "hv"},
        marker={"size": [*[6] * len(known), 0]},
        name="this search",
        hovertemplate="trial %{customdata[0]}: %{customdata[1]}<br>after %{customdata[2]}<extra></extra>",
    )


def _random(numbers: Efficiency, reference: Reference, by: By, end: float, unit: float) -> go.Scatter:
    per_trial = {"trials": 1.0, "epochs": reference.epochs, "seconds": reference.seconds / numbers.workers}
    known = [
        (count * per_trial[by], best)
        for count, best in zip(numbers.trials, reference.best, strict=True)
        if count * per_trial[by] <= end
    ]
    return go.Scatter(
        x=[at / unit for at, _ in known],
        y=[best for _, best in known],
        customdata=[[numbers.metric.format(best), cost(by, at)] for at, best in known],
        mode="lines",
        line={"color": GREY, "width": 2, "dash": "dash"},
        name="random",
        hovertemplate="random search: %{customdata[0]} expected<br>after %{customdata[1]}<extra></extra>",
    )


def table(numbers: Efficiency) -> pd.DataFrame:
    """One row per incumbent, with the expected best of as many random trials."""
    incumbents = numbers.trace.incumbents
    random = (
        None
        if numbers.reference is None
        else np.interp([incumbent.trials for incumbent in incumbents], numbers.trials, numbers.reference.best)
    )
    return pd.DataFrame(
        {
            "trial": incumbent.number,
            "best so far": numbers.metric.format(incumbent.score),
            "trials finished": incumbent.trials,
            "epochs trained": incumbent.epochs,
            "search time": NOTHING if incumbent.seconds is None else duration(incumbent.seconds),
            "random search": NOTHING if random is None else numbers.metric.format(float(random[index])),
        }
        for index, incumbent in enumerate(incumbents)
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
