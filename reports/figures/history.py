"""Optimisation history: the score of every trial, and the best so far."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.ranking import trained
from reports.figures.figure import Figure
from reports.figures.style import (
    AMBER,
    BLUE,
    COLOUR,
    GREY,
    MARK,
    OF_TRIALS,
    Window,
    count_axis,
    drawing,
    value_axis,
    window,
)
from reports.formatting.wording import plural
from search.records.sweep import State, Sweep
from trainable.contract import Metric


class Repeat(NamedTuple):
    """A trial that was not trained because an earlier trial had the same recipe."""

    number: int
    """The trial's number."""
    score: float
    """The earlier trial's score, in the metric's unit."""
    same_as: int
    """The earlier trial's number."""


class ScoreHistory(NamedTuple):
    """The scores of all trials, in the order of their numbers."""

    metric: Metric
    numbers: tuple[int, ...]
    """Numbers of the trained trials that have a score, ascending."""
    scores: tuple[float, ...]
    """Their scores, in the metric's unit."""
    states: tuple[State, ...]
    """Their states."""
    lengths: tuple[int, ...]
    """Number of epochs that each of them trained."""
    best_numbers: tuple[int, ...]
    """Numbers of the COMPLETE trials that were better than every COMPLETE one before them."""
    best_scores: tuple[float, ...]
    """Scores of those trials."""
    trials: int
    """Number of trained trials, with a score or without."""
    best: int | None
    """Index of the best trial (`Sweep.best`); None if there is none."""
    window: Window
    repeats: tuple[Repeat, ...]
    """Trials that repeat a recipe, which are in none of the others."""


def history(sweep: Sweep) -> ScoreHistory | str:
    """Returns the numbers, or why there are none."""
    own = trained(sweep)
    scored = [(trial, trial.score) for trial in own if trial.score is not None]
    if not scored:
        return "No trial has finished an epoch yet, so there is no history to draw."
    best: list[tuple[int, float]] = []
    for trial, score in scored:
        complete = trial.state is State.COMPLETE
        if complete and (not best or sweep.metric.better(score, best[-1][1])):
            best.append((trial.number, score))
    scores = tuple(score for _, score in scored)
    numbers, winner = tuple(trial.number for trial, _ in scored), sweep.best()
    judges = [score for trial, score in scored if trial.state is State.COMPLETE]
    return ScoreHistory(
        metric=sweep.metric,
        numbers=numbers,
        scores=scores,
        states=tuple(trial.state for trial, _ in scored),
        lengths=tuple(len(trial.epochs) for trial, _ in scored),
        best_numbers=tuple(number for number, _ in best),
        best_scores=tuple(score for _, score in best),
        trials=len(own),
        best=numbers.index(winner.number) if winner and winner.number in numbers else None,
        window=window(scores, sweep.metric, judges, reach=5.0),
        repeats=tuple(
            Repeat(trial.number, trial.score, trial.same_as)
            for trial in sweep.trials
            if trial.same_as is not None and trial.score is not None
        ),
    )


def sentence(numbers: ScoreHistory) -> str:
    """Which trial had the top score, how many after it were no better, and what the visible range hides."""
    if not numbers.best_numbers:
        text = f"{plural(len(numbers.numbers), 'trial')} trained, but none is complete yet."
    else:
        best, last = numbers.best_numbers[-1], numbers.numbers[-1]
        since = last - best - sum(best < repeat.number < last for repeat in numbers.repeats)
        after = (
            f"; the {plural(since, 'trial')} after it did not improve on it" if since else ", the last so far"
        )
        text = (
            f"The top score of {plural(numbers.trials, 'trial')}, "
            f"{numbers.metric.format(numbers.best_scores[-1])}, came with trial "
            f"{best}{after}."
        )
    if count := len(numbers.repeats):
        text += f" {plural(count, 'further trial')} only {'repeats' if count == 1 else 'repeat'} a recipe."
    if outside := numbers.window.outside:
        text += (
            f" {plural(outside, 'score lies', 'scores lie')} outside the visible range; double-click to show "
            "all."
        )
    return text


def draw(numbers: ScoreHistory) -> go.Figure:
    """Scores by state, and the best so far as a staircase."""
    traces = [_points(numbers, state) for state in State if state in numbers.states]
    if numbers.repeats:
        traces.append(_repeats(numbers))
    if numbers.best_numbers:
        steps = [*numbers.best_numbers, _last(numbers)]
        line = {"color": BLUE, "width": 2, "shape": "hv"}
        traces.insert(
            0,
            go.Scatter(
                x=steps,
                y=[*numbers.best_scores, numbers.best_scores[-1]],
                mode="lines",
                line=line,
                name="best so far",
                hoverinfo="skip",
            ),
        )
    if numbers.best is not None:
        traces.append(_star(numbers, numbers.best))
    return drawing(
        traces,
        xaxis=count_axis("trial", _last(numbers)) | {"rangemode": "nonnegative"},
        yaxis=value_axis(numbers.metric, numbers.window),
    )


def _last(numbers: ScoreHistory) -> int:
    """The highest trial number that is drawn."""
    return max([*numbers.numbers, *(repeat.number for repeat in numbers.repeats)])


def _repeats(numbers: ScoreHistory) -> go.Scatter:
    """Small and hollow, because their scores are other trials'."""
    return go.Scatter(
        x=[repeat.number for repeat in numbers.repeats],
        y=[repeat.score for repeat in numbers.repeats],
        customdata=[
            [str(repeat.number), numbers.metric.format(repeat.score), str(repeat.same_as)]
            for repeat in numbers.repeats
        ],
        mode="markers",
        marker={"color": GREY, "symbol": "circle-open", "size": 5, "opacity": 0.85},
        name="repeat",
        meta=OF_TRIALS,
        hovertemplate="trial %{x}: %{customdata[1]}<br>"
        "same recipe as trial %{customdata[2]}, not trained again<extra></extra>",
    )


def _points(numbers: ScoreHistory, state: State) -> go.Scatter:
    chosen = [index for index, is_state in enumerate(numbers.states) if is_state is state]
    hovers = [
        [
            str(numbers.numbers[k]),
            numbers.metric.format(numbers.scores[k]),
            plural(numbers.lengths[k], "epoch"),
        ]
        for k in chosen
    ]
    return go.Scatter(
        x=[numbers.numbers[k] for k in chosen],
        y=[numbers.scores[k] for k in chosen],
        customdata=hovers,
        mode="markers",
        marker={"color": COLOUR[state], "symbol": MARK[state], "size": 7, "opacity": 0.85},
        name=state.lower(),
        meta=OF_TRIALS,
        hovertemplate="trial %{x}: %{customdata[1]}<br>after %{customdata[2]}<extra></extra>",
    )


def _star(numbers: ScoreHistory, best: int) -> go.Scatter:
    """best: the trial's index."""
    return go.Scatter(
        x=[numbers.numbers[best]],
        y=[numbers.scores[best]],
        mode="markers",
        marker={"color": AMBER, "symbol": "star", "size": 15},
        name="best",
        hoverinfo="skip",
    )


def table(numbers: ScoreHistory) -> pd.DataFrame:
    """One row per trial that was better than all before it."""
    rows = list(zip(numbers.best_numbers, numbers.best_scores, strict=True))
    return pd.DataFrame(
        [(number, numbers.metric.format(score)) for number, score in rows],
        columns=["trial", "best so far"],
    )


FIGURE = Figure[Sweep, ScoreHistory](
    key="history",
    title="Optimisation history",
    numbers=history,
    sentence=sentence,
    draw=draw,
    table=table,
)
