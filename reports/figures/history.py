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
    """A trial that was not trained, for its recipe had been, as trial `same_as`; its score is that one's."""

    number: int
    score: float
    same_as: int


class History(NamedTuple):
    """Trials that have a score, by number.

    scores, states, lengths (epochs trained): one entry per trial in `numbers`.
    best_numbers, best_scores: the COMPLETE trials that were the best so far when they came.
    trials: how many trials were trained in all, scored or not.
    repeats: those that repeat a recipe, which are in none of the others.
    """

    metric: Metric
    numbers: tuple[int, ...]
    scores: tuple[float, ...]
    states: tuple[State, ...]
    lengths: tuple[int, ...]
    best_numbers: tuple[int, ...]
    best_scores: tuple[float, ...]
    trials: int
    window: Window
    repeats: tuple[Repeat, ...]


def history(sweep: Sweep) -> History | str:
    """The numbers, or why there are none."""
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
    judges = [score for trial, score in scored if trial.state is State.COMPLETE]
    return History(
        metric=sweep.metric,
        numbers=tuple(trial.number for trial, _ in scored),
        scores=scores,
        states=tuple(trial.state for trial, _ in scored),
        lengths=tuple(len(trial.epochs) for trial, _ in scored),
        best_numbers=tuple(number for number, _ in best),
        best_scores=tuple(score for _, score in best),
        trials=len(own),
        window=window(scores, sweep.metric, judges, reach=5.0),
        repeats=tuple(
            Repeat(trial.number, trial.score, trial.same_as)
            for trial in sweep.trials
            if trial.same_as is not None and trial.score is not None
        ),
    )


def sentence(numbers: History) -> str:
    """When the best came, how often it was improved on, and what the window hides."""
    if not numbers.best_numbers:
        told = f"{plural(len(numbers.numbers), 'trial')} trained, but none to its end yet."
    else:
        best, last = numbers.best_numbers[-1], numbers.numbers[-1]
        since = last - best - sum(best < repeat.number < last for repeat in numbers.repeats)
        after = (
            f"; the {plural(since, 'trial')} after it did not improve on it" if since else ", the last so far"
        )
        told = (
            f"The best score of {plural(numbers.trials, 'trial')}, "
            f"{numbers.metric.format(numbers.best_scores[-1])}, came with trial "
            f"{best}{after}."
        )
    if again := len(numbers.repeats):
        told += f" {plural(again, 'further trial')} only {'repeats' if again == 1 else 'repeat'} a recipe."
    if outside := numbers.window.outside:
        told += f" {plural(outside, 'score lies', 'scores lie')} beyond the window; a double click shows all."
    return told


def draw(numbers: History) -> go.Figure:
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
        traces.append(_star(numbers))
    return drawing(
        traces,
        xaxis=count_axis("trial", _last(numbers)) | {"rangemode": "nonnegative"},
        yaxis=value_axis(numbers.metric, numbers.window),
    )


def _last(numbers: History) -> int:
    """The highest number that is drawn."""
    return max([*numbers.numbers, *(repeat.number for repeat in numbers.repeats)])


def _repeats(numbers: History) -> go.Scatter:
    """Small and hollow: they tell how the search went on, but no score of their own."""
    return go.Scatter(
        x=[repeat.number for repeat in numbers.repeats],
        y=[repeat.score for repeat in numbers.repeats],
        customdata=[
            [str(each.number), numbers.metric.format(each.score), str(each.same_as)]
            for each in numbers.repeats
        ],
        mode="markers",
        marker={"color": GREY, "symbol": "circle-open", "size": 5, "opacity": 0.85},
        name="repeat",
        meta=OF_TRIALS,
        hovertemplate="trial %{x}: %{customdata[1]}<br>"
        "same recipe as trial %{customdata[2]}, not trained again<extra></extra>",
    )


def _points(numbers: History, state: State) -> go.Scatter:
    chosen = [index for index, is_state in enumerate(numbers.states) if is_state is state]
    told = [
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
        customdata=told,
        mode="markers",
        marker={"color": COLOUR[state], "symbol": MARK[state], "size": 7, "opacity": 0.85},
        name=state.lower(),
        meta=OF_TRIALS,
        hovertemplate="trial %{x}: %{customdata[1]}<br>after %{customdata[2]}<extra></extra>",
    )


def _star(numbers: History) -> go.Scatter:
    return go.Scatter(
        x=[numbers.best_numbers[-1]],
        y=[numbers.best_scores[-1]],
        mode="markers",
        marker={"color": AMBER, "symbol": "star", "size": 15},
        name="best",
        hoverinfo="skip",
    )


def table(numbers: History) -> pd.DataFrame:
    """A row for each trial that was the best so far when it came."""
    rows = list(zip(numbers.best_numbers, numbers.best_scores, strict=True))
    return pd.DataFrame(
        [(number, numbers.metric.format(score)) for number, score in rows],
        columns=["trial", "best so far"],
    )


FIGURE = Figure[Sweep, History](
    key="history",
    title="Optimisation history",
    numbers=history,
    sentence=sentence,
    draw=draw,
    table=table,
)
