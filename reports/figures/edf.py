"""Empirical distribution of the scores of several searches: the share of trials at least as good as a score.

Like Optuna's `plot_edf`, but read from the good end: it distinguishes a space in which many trials do well
from one in which a single trial was lucky. I. Radosavovic et al., "On network design spaces for visual
recognition", ICCV 2019, compare search spaces by it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis.ranking import trained
from reports.analysis.runs import ComparableRuns, ComparedRun
from reports.figures.figure import Figure
from reports.figures.stroke import stroke
from reports.figures.style import Window, drawing, plain, value_axis, window
from reports.formatting.wording import listing, plural, whole_percent
from search.records.sweep import State
from trainable.contract import Metric

SHARES = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
"""Shares of the trials for which the table names the score that they reach."""


class Distribution(NamedTuple):
    """The scores of one run's COMPLETE trials."""

    run: ComparedRun
    scores: tuple[float, ...]
    """Distinct scores in the metric's unit, ascending."""
    shares: tuple[float, ...]
    """Of each distinct score: the share of trials, above 0 to 1, that is at least as good."""
    trials: int

    def reached_by(self, metric: Metric, share: float) -> float:
        """Returns the best score that at least this share of the trials, 0..1, reaches."""
        scores = [
            score for score, reached in zip(self.scores, self.shares, strict=True) if reached >= share - 1e-12
        ]
        return metric.best(scores)

    def share_at(self, metric: Metric, score: float) -> float:
        """Returns the share of the trials, 0..1, that is at least as good as `score`."""
        shares = [
            share
            for known, share in zip(self.scores, self.shares, strict=True)
            if not metric.better(score, known)
        ]
        return max(shares, default=0.0)


class Edf(NamedTuple):
    """The distributions of the runs of a group that have a score."""

    metric: Metric
    distributions: tuple[Distribution, ...]
    window: Window


def edf(group: ComparableRuns) -> Edf | str:
    """Returns the numbers, or why there are none."""
    distributions = [known for run in group.runs if (known := distribution(run)) is not None]
    if not distributions:
        names = listing([run.short for run in group.runs])
        return f"No trial of {names} is complete yet, so there is no distribution of scores."
    scores = [score for known in distributions for score in known.scores]
    return Edf(group.metric, tuple(distributions), window(scores, group.metric, scores, reach=3.0))


def distribution(run: ComparedRun) -> Distribution | None:
    """Returns the run's distribution, or None if no trial is COMPLETE. Repeated recipes do not count."""
    scores = [
        trial.score
        for trial in trained(run.sweep)
        if trial.state is State.COMPLETE and trial.score is not None
    ]
    if not scores:
        return None
    distinct, counts = np.unique(np.asarray(scores, dtype=np.float64), return_counts=True)
    up_to = np.cumsum(counts)
    at_least_as_good = len(scores) - up_to + counts if run.sweep.metric.higher_is_better else up_to
    return Distribution(
        run=run,
        scores=tuple(float(score) for score in distinct),
        shares=tuple(float(share) for share in at_least_as_good / len(scores)),
        trials=len(scores),
    )


def sentence(numbers: Edf) -> str:
    """Compares the runs at the median of all scores."""
    metric = numbers.metric
    if len(numbers.distributions) == 1:
        only = numbers.distributions[0]
        return (
            f"{only.run.short} has {plural(only.trials, 'complete trial')}; no other run to compare it with."
        )
    middle = _median(numbers)
    parts = [
        f"{whole_percent(run.share_at(metric, middle))} of {run.run.short}'s {run.trials:,}"
        for run in numbers.distributions
    ]
    text = f"{metric.format(middle)} or better: {listing(parts)} complete trials."
    if numbers.window.outside:
        text += f" {plural(numbers.window.outside, 'score lies', 'scores lie')} outside the visible range."
    return text


def _median(numbers: Edf) -> float:
    """The median of the runs' medians (the better of two), so that a long run does not decide."""
    medians = [run.reached_by(numbers.metric, 0.5) for run in numbers.distributions]
    ordered = sorted(medians, key=lambda median: -numbers.metric.sign * median)
    return ordered[(len(ordered) - 1) // 2]


def draw(numbers: Edf) -> go.Figure:
    """A staircase a run: the further it reaches to the good side, the better its space."""
    return drawing(
        [_stair(numbers.metric, run) for run in numbers.distributions],
        height=340 + 14 * len(numbers.distributions),
        showlegend=True,
        legend_entrywidth=150 if any(len(run.run.short) > 9 for run in numbers.distributions) else 90,
        xaxis=value_axis(numbers.metric, numbers.window),
        yaxis={"title": {"text": "share at least this good"}, "tickformat": ".0%", "range": [0, 1.03]},
    )


def _stair(metric: Metric, run: Distribution) -> go.Scatter:
    look = stroke(run.run.position)
    hovers = [
        [plain(run.run.short), whole_percent(share), metric.format(score)]
        for score, share in zip(run.scores, run.shares, strict=True)
    ]
    xs, ys = [*run.scores], [*run.shares]
    # Nothing is better than the best: the line ends, or begins, at 0.
    if metric.higher_is_better:
        xs, ys, hovers = [*xs, xs[-1]], [*ys, 0.0], [*hovers, hovers[-1]]
    else:
        xs, ys, hovers = [xs[0], *xs], [0.0, *ys], [hovers[0], *hovers]
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=hovers,
        mode="lines+markers",
        line={**look.line, "shape": "vh" if metric.higher_is_better else "hv"},
        marker={**look.marker, "size": 5, "maxdisplayed": 12},
        name=plain(run.run.short),
        hovertemplate="%{customdata[0]}: %{customdata[1]} at %{customdata[2]} or better<extra></extra>",
    )


def table(numbers: Edf) -> pd.DataFrame:
    """A row a run: the scores that given shares of its trials reach."""
    metric = numbers.metric
    rows = []
    for run in numbers.distributions:
        reached = {
            "all reach" if share == 1 else f"{whole_percent(share)} reach": metric.format(
                run.reached_by(metric, share)
            )
            for share in SHARES
        }
        best = metric.best(run.scores)
        rows.append(
            {
                "run": run.run.label,
                "complete trials": run.trials,
                **reached,
                "best": metric.format(best),
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[ComparableRuns, Edf](
    key="edf", title="Distribution of scores", numbers=edf, sentence=sentence, draw=draw, table=table
)
