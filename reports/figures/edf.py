"""Empirical distribution of the scores of several searches: how large a share is at least as good as this.

What Optuna draws as `plot_edf`, read from the good end: it tells a space in which many trials do well from
one in which a single trial was lucky. I. Radosavovic et al., "On network design spaces for visual
recognition", ICCV 2019, compare search spaces by it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis.ranking import trained
from reports.analysis.runs import ComparableRuns, ComparedRun
from reports.figures.stroke import stroke
from reports.figures.style import Window, figure, plain, value_axis, window
from reports.formatting.wording import listing, plural
from search.records.sweep import State
from trainable.contract import Metric


class Distribution(NamedTuple):
    """The scores of a run's COMPLETE trials: the different ones, ascending, and the share (0..1] of all that
    is at least as good as each. trials: how many scores there are in all."""

    run: ComparedRun
    scores: tuple[float, ...]
    shares: tuple[float, ...]
    trials: int


class Edf(NamedTuple):
    """The distributions of runs with the same metric and data that have a score."""

    metric: Metric
    distributions: tuple[Distribution, ...]
    window: Window


def edf(group: ComparableRuns) -> Edf | str:
    """The numbers, or why there are none."""
    made = [told for run in group.runs if (told := distribution(run)) is not None]
    if not made:
        who = listing([run.short for run in group.runs])
        return f"No trial of {who} has trained to its end yet, so there is no distribution of scores."
    scores = [score for told in made for score in told.scores]
    return Edf(group.metric, tuple(made), window(scores, group.metric, scores, reach=3.0))


def distribution(run: ComparedRun) -> Distribution | None:
    """Of one run; None where no trial is COMPLETE. Trials that repeat a recipe do not count."""
    scores = [
        trial.score
        for trial in trained(run.sweep)
        if trial.state is State.COMPLETE and trial.score is not None
    ]
    if not scores:
        return None
    different, times = np.unique(np.asarray(scores, dtype=np.float64), return_counts=True)
    rising = np.cumsum(times)
    good = len(scores) - rising + times if run.sweep.metric.higher_is_better else rising
    shares = tuple(float(share) for share in good / len(scores))
    return Distribution(run, tuple(float(score) for score in different), shares, len(scores))


def share_at(told: Distribution, metric: Metric, score: float) -> float:
    """The share, 0..1, of the run's scores that are at least as good as `score`."""
    found = [
        share for held, share in zip(told.scores, told.shares, strict=True) if not metric.better(score, held)
    ]
    return max(found, default=0.0)


def sentence(numbers: Edf) -> str:
    """At the median of all: how large a share of each run is at least as good."""
    metric = numbers.metric
    if len(numbers.distributions) == 1:
        only = numbers.distributions[0]
        return (
            f"{only.run.short} has {plural(only.trials, 'complete trial')}; there is no other run beside it."
        )
    middle = _median(numbers)
    parts = [
        f"{share_at(told, metric, middle):.0%} of {told.run.short}'s {told.trials:,}".replace("%", " %")
        for told in numbers.distributions
    ]
    said = f"{metric.format(middle)} or better: {listing(parts)} complete trials."
    if numbers.window.outside:
        said += f" {plural(numbers.window.outside, 'score lies', 'scores lie')} beyond the window."
    return said


def _median(numbers: Edf) -> float:
    """Of the runs' own medians the middle one (the better of two), so that a long run does not decide."""
    metric = numbers.metric
    medians = [_worst_of_half(told, metric) for told in numbers.distributions]
    ordered = sorted(medians, key=lambda median: -metric.sign * median)
    return ordered[(len(ordered) - 1) // 2]


def _worst_of_half(told: Distribution, metric: Metric) -> float:
    """The best score that half of the run's trials reach."""
    held = [score for score, share in zip(told.scores, told.shares, strict=True) if share >= 0.5]
    return metric.best(held)


def draw(numbers: Edf) -> go.Figure:
    """A staircase a run: the further it reaches to the good side, the better its space."""
    return figure(
        [_stair(numbers.metric, told) for told in numbers.distributions],
        height=340 + 14 * len(numbers.distributions),
        showlegend=True,
        legend_entrywidth=150 if any(len(told.run.short) > 9 for told in numbers.distributions) else 90,
        xaxis=value_axis(numbers.metric, numbers.window),
        yaxis={"title": {"text": "share at least this good"}, "tickformat": ".0%", "range": [0, 1.03]},
    )


def _stair(metric: Metric, told: Distribution) -> go.Scatter:
    look = stroke(told.run.place)
    said = [
        [plain(told.run.short), f"{share:.0%}".replace("%", " %"), metric.format(score)]
        for score, share in zip(told.scores, told.shares, strict=True)
    ]
    xs, ys = [*told.scores], [*told.shares]
    # Nothing is better than the best: the line ends, or begins, at 0.
    if metric.higher_is_better:
        xs, ys, said = [*xs, xs[-1]], [*ys, 0.0], [*said, said[-1]]
    else:
        xs, ys, said = [xs[0], *xs], [0.0, *ys], [said[0], *said]
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=said,
        mode="lines+markers",
        line={**look.line, "shape": "vh" if metric.higher_is_better else "hv"},
        marker={**look.marker, "size": 5, "maxdisplayed": 12},
        name=plain(told.run.short),
        hovertemplate="%{customdata[0]}: %{customdata[1]} at %{customdata[2]} or better<extra></extra>",
    )


def table(numbers: Edf) -> pd.DataFrame:
    """One row a run: the scores that given shares of its trials reach."""
    shares = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
    rows = []
    for told in numbers.distributions:
        row: dict[str, object] = {"run": told.run.label, "complete trials": told.trials}
        best = numbers.metric.best(told.scores)
        for share in shares:
            held = [
                score for score, part in zip(told.scores, told.shares, strict=True) if part >= share - 1e-12
            ]
            reached = numbers.metric.best(held)
            row["all reach" if share == 1 else f"{share:.0%} reach".replace("%", " %")] = (
                numbers.metric.format(reached)
            )
        rows.append({**row, "best": numbers.metric.format(best)})
    return pd.DataFrame(rows)
