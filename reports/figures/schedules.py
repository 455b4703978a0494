"""Learning-rate schedules compared: the scores of each one's trials, and the rates of its best trial."""

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
"""Significance level for all pairs together (the family-wise error rate)."""

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY)
DASHES = ("solid", "dash", "dot", "dashdot")


class Schedule(NamedTuple):
    """One schedule in the complete trials that sampled it, by number."""

    name: str
    numbers: tuple[int, ...]
    """Numbers of the trials."""
    scores: tuple[float, ...]
    """Each trial's score, in the metric's unit."""
    mean: float
    """Of the scores."""
    low: float | None
    """End of the mean's 95 % interval by Student's t over the trials, whose deviation counts as at least
    half a step of the scores; None for a single trial."""
    high: float | None
    """End of that interval; None for a single trial."""
    best: int
    """Number of the best trial."""
    epochs: tuple[int, ...]
    """Epochs of the best trial that have a learning rate."""
    rates: tuple[float, ...]
    """The best trial's learning rate at the last step of each of `epochs`; empty if the trainable reports no
    "learning_rate"."""
    group: int
    """1 for the schedules that are not significantly worse than the best one, and so on
    (`reports.statistics.multiplicity.tie_groups`)."""
    pruned: int
    """Number of this schedule's trials that were pruned."""


class SchedulePair(NamedTuple):
    """Two schedules that differ significantly."""

    better: str
    worse: str
    difference: float
    """Of the means, above 0, in the metric's unit."""
    p: float
    """By Welch's test, adjusted for all pairs."""


class Schedules(NamedTuple):
    """The schedules that complete trials sampled."""

    metric: Metric
    schedules: tuple[Schedule, ...]
    """The best mean first."""
    significant: tuple[SchedulePair, ...]
    """The pairs that differ significantly, the smallest p first."""
    pairs: int
    """Number of pairs that were compared."""
    best: int | None
    """Number of the best trial; None if there is none."""
    window: Window


def schedules(sweep: Sweep) -> Schedules | None:
    """Returns the numbers, or None unless complete trials sampled two of the choices of `schedule`."""
    scale = next((scale for scale in scales(sweep) if scale.name == "schedule" and scale.choices), None)
    if scale is None:
        return None
    sampled = [trial for trial in trained(sweep) if scale.name in trial.sampled]
    trials: dict[str, list[tuple[Trial, float]]] = {}
    for trial in sampled:
        if trial.state is State.COMPLETE and trial.score is not None:
            trials.setdefault(setting(trial.sampled[scale.name]), []).append((trial, trial.score))
    if len(trials) < 2:
        return None
    sign = sweep.metric.sign
    means = {name: float(np.mean([score for _, score in own])) for name, own in trials.items()}
    order = sorted(trials, key=lambda name: (-sign * means[name], scale.choices.index(name)))
    scores = {name: [score for _, score in trials[name]] for name in order}
    # Accuracies on few examples are often equal by chance; without variance any difference would be certain.
    resolution = smallest_step([np.asarray(own) for own in scores.values()])
    pairs = list(itertools.combinations(order, 2))
    tests = [welch(scores[one], scores[other], resolution) for one, other in pairs]
    adjusted = dict(zip(pairs, shaffer([test.p for test in tests], len(order)), strict=True))
    groups = tie_groups(order, lambda first, other: adjusted[first, other] > LEVEL)
    group = {name: number for number, members in enumerate(groups, 1) for name in members}
    pruned = [setting(trial.sampled[scale.name]) for trial in sampled if trial.state is State.PRUNED]
    significant = [
        SchedulePair(better, worse, abs(test.difference), adjusted[better, worse])
        for (better, worse), test in zip(pairs, tests, strict=True)
        if adjusted[better, worse] <= LEVEL
    ]
    best = sweep.best()
    all_scores = [score for name in order for score in scores[name]]
    return Schedules(
        metric=sweep.metric,
        schedules=tuple(
            _schedule(name, trials[name], sign, resolution)._replace(
                group=group[name], pruned=pruned.count(name)
            )
            for name in order
        ),
        significant=tuple(sorted(significant, key=lambda pair: pair.p)),
        pairs=len(pairs),
        best=best.number if best else None,
        window=window(all_scores, sweep.metric, all_scores, reach=5.0),
    )


def _schedule(name: str, trials: list[tuple[Trial, float]], sign: float, resolution: float) -> Schedule:
    """Without its group and its pruned trials."""
    scores = tuple(score for _, score in trials)
    mean, deviation, runs = spread(scores)
    low = high = None
    if deviation is not None:
        reach = float(special.stdtrit(runs - 1, 0.975)) * max(deviation, resolution / 2) / math.sqrt(runs)
        low, high = mean - reach, mean + reach
    best, _ = min(trials, key=lambda pair: (-sign * pair[1], pair[0].number))
    rates = [
        (epoch.number, epoch.metrics["learning_rate"])
        for epoch in best.epochs
        if "learning_rate" in epoch.metrics
    ]
    return Schedule(
        name=name,
        numbers=tuple(trial.number for trial, _ in trials),
        scores=scores,
        mean=mean,
        low=low,
        high=high,
        best=best.number,
        epochs=tuple(number for number, _ in rates),
        rates=tuple(rate for _, rate in rates),
        group=1,
        pruned=0,
    )


def sentence(numbers: Schedules) -> str:
    """Which schedules differ significantly from the best one, and what that does not show."""
    first, *others = [schedule.name for schedule in numbers.schedules]
    behind = {pair.worse for pair in numbers.significant if pair.better == first}
    worse, tied = [name for name in others if name in behind], [name for name in others if name not in behind]
    parts = [f"{first} did better than {listing(worse)}"] if worse else []
    if tied:
        verb, best = "is" if len(tied) == 1 else "are", first if worse else f"the best, {first}"
        parts.append(f"{listing(tied)} {verb} not significantly worse than {best}")
    trials = sum(len(schedule.scores) for schedule in numbers.schedules)
    pairs = "the pair" if numbers.pairs == 1 else f"all {numbers.pairs} pairs"
    return (
        f"By the means of {plural(trials, 'complete trial')}, {'; '.join(parts)} (Welch's test, "
        f"{100 * LEVEL:.0f} % for {pairs}). The trials also differ in the other hyperparameters that the "
        f"sampler suggested, so this compares the results of each schedule here and not the schedules alone."
    )


def draw(numbers: Schedules) -> dict[str, go.Figure]:
    """ "scores": every complete trial by its schedule; "rates": the learning rates of each schedule's best
    trial, left out if there are none."""
    drawn = {"scores": _strips(numbers)}
    if any(schedule.rates for schedule in numbers.schedules):
        drawn["rates"] = _rates(numbers)
    return drawn


def _strips(numbers: Schedules) -> go.Figure:
    labels = [plain(schedule.name, 18) for schedule in numbers.schedules]
    axis: dict[str, Any] = {
        "title": {"text": "schedule"},
        "tickvals": list(range(len(labels))),
        "ticktext": labels,
        "range": [-0.5, len(labels) - 0.3],
        "tickangle": tilt(labels),
        "showgrid": False,
    }
    return drawing(
        [_trials(numbers), _means(numbers), *_best(numbers)],
        legend_entrywidth=110,
        xaxis=axis,
        yaxis=value_axis(numbers.metric, numbers.window),
    )


def _trials(numbers: Schedules) -> go.Scatter:
    points = [
        (column + _jitter(k), schedule, k)
        for column, schedule in enumerate(numbers.schedules)
        for k in range(len(schedule.scores))
    ]
    return go.Scatter(
        x=[x for x, _, _ in points],
        y=[schedule.scores[k] for _, schedule, k in points],
        customdata=[
            [str(schedule.numbers[k]), plain(schedule.name), numbers.metric.format(schedule.scores[k])]
            for _, schedule, k in points
        ],
        mode="markers",
        marker={"color": BLUE, "size": 6, "opacity": 0.75 if len(points) < 300 else 0.5},
        name="trial",
        meta=OF_TRIALS,
        hovertemplate="trial %{customdata[0]}: %{customdata[2]}<br>%{customdata[1]}<extra></extra>",
    )


def _means(numbers: Schedules) -> go.Scatter:
    return go.Scatter(
        x=[column + 0.36 for column in range(len(numbers.schedules))],
        y=[schedule.mean for schedule in numbers.schedules],
        customdata=[[plain(schedule.name), _mean_text(numbers, schedule)] for schedule in numbers.schedules],
        error_y={
            "array": [0.0 if s.high is None else s.high - s.mean for s in numbers.schedules],
            "arrayminus": [0.0 if s.low is None else s.mean - s.low for s in numbers.schedules],
            "color": ORANGE,
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        marker={"color": ORANGE, "symbol": "diamond", "size": 9},
        name="mean, 95 % interval",
        hovertemplate="%{customdata[0]}: %{customdata[1]}<extra></extra>",
    )


def _best(numbers: Schedules) -> list[go.Scatter]:
    """A star on the best trial, if it is among them."""
    for column, schedule in enumerate(numbers.schedules):
        if numbers.best in schedule.numbers:
            k = schedule.numbers.index(numbers.best)
            star = {"color": AMBER, "symbol": "star", "size": 15}
            at = {"x": [column + _jitter(k)], "y": [schedule.scores[k]]}
            return [go.Scatter(**at, mode="markers", marker=star, name="best", hoverinfo="skip")]
    return []


def _jitter(index: int) -> float:
    """Horizontal offset of a strip's point from the middle, -0.22..0.22: multiples of the golden ratio spread
    any number of points evenly."""
    return 0.44 * ((index + 1) * 0.618033988749895 % 1) - 0.22


def _mean_text(numbers: Schedules, schedule: Schedule) -> str:
    mean = numbers.metric.format(schedule.mean)
    if schedule.low is None or schedule.high is None:
        return f"{mean}, one trial"
    low, high = numbers.metric.format(schedule.low), numbers.metric.format(schedule.high)
    return f"{mean} on average ({low} to {high}), {plural(len(schedule.scores), 'trial')}"


def _rates(numbers: Schedules) -> go.Figure:
    known = [schedule for schedule in numbers.schedules if schedule.rates]
    traces = []
    for index, schedule in enumerate(known):
        traces.append(
            go.Scatter(
                x=schedule.epochs,
                y=schedule.rates,
                customdata=[f"{rate:.3g}" for rate in schedule.rates],
                mode="lines+markers",
                line={
                    "color": COLOURS[index % len(COLOURS)],
                    "width": 2,
                    "dash": DASHES[index % len(DASHES)],
                },
                marker={"size": 4},
                name=plain(schedule.name, 18),
                hovertemplate=f"{plain(schedule.name)}, trial {schedule.best}, epoch %{{x}}: "
                "%{customdata}<extra></extra>",
            )
        )
    rates = [rate for schedule in known for rate in schedule.rates]
    axis: dict[str, Any] = {"title": {"text": "learning rate at the end of the epoch"}}
    axis["exponentformat"] = "power"
    if min(rates) > 0 and max(rates) > 20 * min(rates):
        axis |= {"type": "log", "dtick": 1}
    else:
        axis |= {"rangemode": "tozero"}
    last = max(schedule.epochs[-1] for schedule in known)
    return drawing(traces, legend_entrywidth=130, xaxis=count_axis("epoch", last), yaxis=axis)


def table(numbers: Schedules) -> pd.DataFrame:
    """One row per schedule, the best mean first."""
    rows = []
    for schedule in numbers.schedules:
        low, high = numbers.metric.format(schedule.low), numbers.metric.format(schedule.high)
        ahead = [pair for pair in numbers.significant if pair.worse == schedule.name]
        top = numbers.metric.best(schedule.scores)
        rows.append(
            {
                "schedule": schedule.name,
                "group": schedule.group,
                "complete": len(schedule.scores),
                "pruned": schedule.pruned,
                "mean": numbers.metric.format(schedule.mean),
                "95 % interval": NOTHING if schedule.low is None else f"{low} to {high}",
                "best": numbers.metric.format(top),
                "best trial": schedule.best,
                "worse than": ", ".join(f"{pair.better} ({p_text(pair.p)})" for pair in ahead),
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
