"""Learning-rate schedules compared: the scores that each came to, and the rates of its best trial."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy import special

from reports.analysis.ranking import trained
from reports.analysis.scale import scales
from reports.figures.figure import Figure
from reports.figures.style import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    OF_TRIALS,
    ORANGE,
    PURPLE,
    Window,
    count_axis,
    drawing,
    plain,
    tilt,
    value_axis,
    window,
)
from reports.formatting.estimates import p_text
from reports.formatting.wording import NOTHING, listing, plural, setting
from reports.statistics.intervals import spread
from reports.statistics.multiplicity import tie_groups
from search.racing.elimination import shaffer, smallest_step, welch
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric

LEVEL = 0.05
"""The chance that any two equal schedules are told apart, all pairs together."""

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY)
DASHES = ("solid", "dash", "dot", "dashdot")


class Choice(NamedTuple):
    """One schedule in the complete trials that drew it, by number.

    mean, low, high: of their scores, 95 % by Student's t over the trials, whose deviation is not taken for
        less than half a step of the scores; low and high are None for a single one.
    best: the number of its best trial. epochs, rates: the learning rate of that trial at the last step of
        each epoch; none where the trainable tells no "learning_rate".
    group: 1 for the schedules that are not known to be worse than the best one, and so on
        (`reports.statistics.multiplicity.tie_groups`). stopped: trials of this schedule that were pruned.
    """

    name: str
    numbers: tuple[int, ...]
    scores: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None
    best: int
    epochs: tuple[int, ...]
    rates: tuple[float, ...]
    group: int
    stopped: int


class Apart(NamedTuple):
    """Two schedules that are told apart. p: of Welch's test, adjusted for all pairs."""

    better: str
    worse: str
    difference: float
    p: float


class Schedules(NamedTuple):
    """The schedules that a complete trial drew, best mean first. apart: the pairs that are told apart, the
    surest first. pairs: how many were compared. best: the best trial's number."""

    metric: Metric
    choices: tuple[Choice, ...]
    apart: tuple[Apart, ...]
    pairs: int
    best: int | None
    window: Window


def schedules(sweep: Sweep) -> Schedules | None:
    """Returns the numbers, or None unless complete trials drew two of the choices of `schedule`."""
    scale = next((each for each in scales(sweep) if each.name == "schedule" and each.choices), None)
    if scale is None:
        return None
    drew = [trial for trial in trained(sweep) if scale.name in trial.sampled]
    complete = [(trial, trial.score) for trial in drew if trial.state is State.COMPLETE]
    by_name: dict[str, list[tuple[Trial, float]]] = {}
    for trial, score in complete:
        if score is not None:
            by_name.setdefault(setting(trial.sampled[scale.name]), []).append((trial, score))
    if len(by_name) < 2:
        return None
    sign = sweep.metric.sign
    means = {name: float(np.mean([score for _, score in held])) for name, held in by_name.items()}
    order = sorted(by_name, key=lambda name: (-sign * means[name], scale.choices.index(name)))
    held = {name: [score for _, score in by_name[name]] for name in order}
    # Accuracies on few examples are often equal by chance, and no variance would make any difference certain.
    resolution = smallest_step([np.asarray(scores) for scores in held.values()])
    pairs = list(itertools.combinations(order, 2))
    told = [welch(held[one], held[other], resolution) for one, other in pairs]
    adjusted = dict(zip(pairs, shaffer([each.p for each in told], len(order)), strict=True))
    groups = tie_groups(order, lambda first, other: adjusted[first, other] > LEVEL)
    group = {name: number for number, members in enumerate(groups, 1) for name in members}
    stopped = [setting(trial.sampled[scale.name]) for trial in drew if trial.state is State.PRUNED]
    apart = [
        Apart(better, worse, abs(each.difference), adjusted[better, worse])
        for (better, worse), each in zip(pairs, told, strict=True)
        if adjusted[better, worse] <= LEVEL
    ]
    best = sweep.best()
    scores = [score for name in order for score in held[name]]
    return Schedules(
        metric=sweep.metric,
        choices=tuple(
            _choice(name, by_name[name], sign, resolution)._replace(
                group=group[name], stopped=stopped.count(name)
            )
            for name in order
        ),
        apart=tuple(sorted(apart, key=lambda each: each.p)),
        pairs=len(pairs),
        best=best.number if best else None,
        window=window(scores, sweep.metric, scores, reach=5.0),
    )


def _choice(name: str, held: list[tuple[Trial, float]], sign: float, resolution: float) -> Choice:
    scores = tuple(score for _, score in held)
    told = spread(scores)
    low = high = None
    if told.deviation is not None:
        reach = float(special.stdtrit(told.runs - 1, 0.975)) * max(told.deviation, resolution / 2)
        reach /= math.sqrt(told.runs)
        low, high = told.mean - reach, told.mean + reach
    best, _ = min(held, key=lambda pair: (-sign * pair[1], pair[0].number))
    rates = [
        (epoch.number, epoch.metrics["learning_rate"])
        for epoch in best.epochs
        if "learning_rate" in epoch.metrics
    ]
    return Choice(
        name=name,
        numbers=tuple(trial.number for trial, _ in held),
        scores=scores,
        mean=told.mean,
        low=low,
        high=high,
        best=best.number,
        epochs=tuple(number for number, _ in rates),
        rates=tuple(rate for _, rate in rates),
        group=1,
        stopped=0,
    )


def sentence(numbers: Schedules) -> str:
    """Which schedules differ significantly from the best one, and what that does not show."""
    first, *others = [choice.name for choice in numbers.choices]
    behind = {each.worse for each in numbers.apart if each.better == first}
    worse, tied = [name for name in others if name in behind], [name for name in others if name not in behind]
    told = [f"{first} did better than {listing(worse)}"] if worse else []
    if tied:
        verb, best = "is" if len(tied) == 1 else "are", first if worse else f"the best, {first}"
        told.append(f"{listing(tied)} {verb} not significantly worse than {best}")
    trials = sum(len(choice.scores) for choice in numbers.choices)
    pairs = "the pair" if numbers.pairs == 1 else f"all {numbers.pairs} pairs"
    return (
        f"By the means of {plural(trials, 'complete trial')} {'; '.join(told)} (Welch's test, "
        f"{100 * LEVEL:.0f} % for {pairs}). The trials differ in their other settings too, as the sampler "
        f"chose them, so this compares what came of each schedule here, not the schedules alone."
    )


def draw(numbers: Schedules) -> dict[str, go.Figure]:
    """ "scores": every complete trial by its schedule; "rates": the learning rate of each one's best trial,
    left out where no trainable tells it."""
    drawn = {"scores": _strips(numbers)}
    if any(choice.rates for choice in numbers.choices):
        drawn["rates"] = _rates(numbers)
    return drawn


def _strips(numbers: Schedules) -> go.Figure:
    places = [
        (place, choice, at)
        for place, choice in enumerate(numbers.choices)
        for at in range(len(choice.scores))
    ]
    points = go.Scatter(
        x=[place + _aside(at) for place, _, at in places],
        y=[choice.scores[at] for _, choice, at in places],
        customdata=[
            [str(choice.numbers[at]), plain(choice.name), numbers.metric.format(choice.scores[at])]
            for _, choice, at in places
        ],
        mode="markers",
        marker={"color": BLUE, "size": 6, "opacity": 0.75 if len(places) < 300 else 0.5},
        name="trial",
        meta=OF_TRIALS,
        hovertemplate="trial %{customdata[0]}: %{customdata[2]}<br>%{customdata[1]}<extra></extra>",
    )
    means = go.Scatter(
        x=[place + 0.36 for place in range(len(numbers.choices))],
        y=[choice.mean for choice in numbers.choices],
        customdata=[[plain(choice.name), _mean(numbers, choice)] for choice in numbers.choices],
        error_y={
            "array": [0.0 if c.high is None else c.high - c.mean for c in numbers.choices],
            "arrayminus": [0.0 if c.low is None else c.mean - c.low for c in numbers.choices],
            "color": ORANGE,
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        marker={"color": ORANGE, "symbol": "diamond", "size": 9},
        name="mean, 95 % interval",
        hovertemplate="%{customdata[0]}: %{customdata[1]}<extra></extra>",
    )
    traces = [points, means]
    for place, choice, at in places:
        if choice.numbers[at] == numbers.best:
            star = {"color": AMBER, "symbol": "star", "size": 15}
            where = {"x": [place + _aside(at)], "y": [choice.scores[at]]}
            traces.append(go.Scatter(**where, mode="markers", marker=star, name="best", hoverinfo="skip"))
    labels = [plain(choice.name, 18) for choice in numbers.choices]
    axis: dict[str, Any] = {
        "title": {"text": "schedule"},
        "tickvals": list(range(len(labels))),
        "ticktext": labels,
        "range": [-0.5, len(labels) - 0.3],
        "tickangle": tilt(labels),
        "showgrid": False,
    }
    return drawing(
        traces, legend_entrywidth=110, xaxis=axis, yaxis=value_axis(numbers.metric, numbers.window)
    )


def _aside(at: int) -> float:
    """How far beside the middle the at-th point of a strip is set, -0.22..0.22: multiples of the golden
    ratio fill any stretch evenly, however many there are."""
    return 0.44 * ((at + 1) * 0.618033988749895 % 1) - 0.22


def _mean(numbers: Schedules, choice: Choice) -> str:
    mean = numbers.metric.format(choice.mean)
    if choice.low is None or choice.high is None:
        return f"{mean}, one trial"
    low, high = numbers.metric.format(choice.low), numbers.metric.format(choice.high)
    return f"{mean} on average ({low} to {high}), {plural(len(choice.scores), 'trial')}"


def _rates(numbers: Schedules) -> go.Figure:
    held = [choice for choice in numbers.choices if choice.rates]
    traces = []
    for place, choice in enumerate(held):
        traces.append(
            go.Scatter(
                x=choice.epochs,
                y=choice.rates,
                customdata=[f"{rate:.3g}" for rate in choice.rates],
                mode="lines+markers",
                line={
                    "color": COLOURS[place % len(COLOURS)],
                    "width": 2,
                    "dash": DASHES[place % len(DASHES)],
                },
                marker={"size": 4},
                name=plain(choice.name, 18),
                hovertemplate=f"{plain(choice.name)}, trial {choice.best}, epoch %{{x}}: "
                "%{customdata}<extra></extra>",
            )
        )
    rates = [rate for choice in held for rate in choice.rates]
    axis: dict[str, Any] = {"title": {"text": "learning rate at the epoch's end"}, "exponentformat": "power"}
    if min(rates) > 0 and max(rates) > 20 * min(rates):
        axis |= {"type": "log", "dtick": 1}
    else:
        axis |= {"rangemode": "tozero"}
    last = max(choice.epochs[-1] for choice in held)
    return drawing(traces, legend_entrywidth=130, xaxis=count_axis("epoch", last), yaxis=axis)


def table(numbers: Schedules) -> pd.DataFrame:
    """A row a schedule, best mean first."""
    rows = []
    for choice in numbers.choices:
        low, high = numbers.metric.format(choice.low), numbers.metric.format(choice.high)
        ahead = [each for each in numbers.apart if each.worse == choice.name]
        top = numbers.metric.best(choice.scores)
        rows.append(
            {
                "schedule": choice.name,
                "group": choice.group,
                "complete": len(choice.scores),
                "pruned": choice.stopped,
                "mean": numbers.metric.format(choice.mean),
                "95 % interval": NOTHING if choice.low is None else f"{low} to {high}",
                "best": numbers.metric.format(top),
                "best trial": choice.best,
                "worse than": ", ".join(f"{each.better} ({p_text(each.p)})" for each in ahead),
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Schedules](
    key="schedules",
    title="Learning-rate schedules",
    numbers=schedules,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="pair",
)
