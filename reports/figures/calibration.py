"""Calibration: whether the winner is right as often as it is sure."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.figures.figure import Figure
from reports.figures.style import BLUE, GREY, drawing
from reports.figures.winner_evaluation import of_winner
from reports.formatting.wording import percent
from reports.statistics.intervals import Interval, wilson
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation


class Calibration(NamedTuple):
    """The bins of confidence that hold examples, from the least sure to the surest.

    bins: how many there are in all, empty ones too. lows, highs: a bin's bounds, 0..1. confidence: its
    examples' mean. correct, examples: of each. intervals: 95 % Wilson intervals of correct / examples.
    error: the expected calibration error, 0..1. mean: the mean confidence over all examples.
    accuracy: the 95 % Wilson interval of the share of right ones over all examples.
    """

    bins: int
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    confidence: tuple[float, ...]
    correct: tuple[int, ...]
    examples: tuple[int, ...]
    intervals: tuple[Interval, ...]
    error: float
    mean: float
    accuracy: Interval

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Share predicted right, 0..1, of each bin."""
        return tuple(right / all_ for right, all_ in zip(self.correct, self.examples, strict=True))


def calibration(evaluation: Evaluation | None) -> Calibration | str:
    """The numbers, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so the model's calibration is not known."
    held = evaluation.calibration
    if held is None or not sum(held.counts):
        return (
            "The record of the look at the test set keeps no probabilities: an earlier version wrote it, or "
            "the trainable offers none."
        )
    bins = len(held.counts)
    filled = [place for place, count in enumerate(held.counts) if count]
    return Calibration(
        bins=bins,
        lows=tuple(place / bins for place in filled),
        highs=tuple((place + 1) / bins for place in filled),
        confidence=tuple(held.confidence[place] for place in filled),
        correct=tuple(held.correct[place] for place in filled),
        examples=tuple(held.counts[place] for place in filled),
        intervals=tuple(wilson(held.correct[place], held.counts[place]) for place in filled),
        error=held.error,
        mean=held.mean_confidence,
        accuracy=wilson(sum(held.correct), sum(held.counts)),
    )


def sentence(numbers: Calibration) -> str:
    """How sure it is, how often right, and the error."""
    right = sum(numbers.correct) / sum(numbers.examples)
    gap = numbers.mean - right
    meaning = "overconfident" if gap > 0 else "underconfident"
    if numbers.accuracy.low <= numbers.mean <= numbers.accuracy.high:
        meaning = "well calibrated, within the interval of its accuracy"
    return (
        f"The model's mean confidence is {100 * numbers.mean:.2f} % and its accuracy {100 * right:.2f} %: "
        f"{meaning}. Its expected calibration error is {100 * numbers.error:.2f} points (Guo et al. 2017, "
        f"{numbers.bins} bins)."
    )


def draw(numbers: Calibration) -> go.Figure:
    """The share of right ones over the confidence, beside the diagonal on which they are equal."""
    shares = numbers.accuracies
    told = [
        [f"{100 * low:.0f} to {100 * high:.0f} %", f"{100 * share:.1f} %", percent(interval), right, examples]
        for low, high, share, interval, right, examples in zip(
            numbers.lows,
            numbers.highs,
            shares,
            numbers.intervals,
            numbers.correct,
            numbers.examples,
            strict=True,
        )
    ]
    up = [interval.high - share for interval, share in zip(numbers.intervals, shares, strict=True)]
    down = [share - interval.low for interval, share in zip(numbers.intervals, shares, strict=True)]
    equal = go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": GREY, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    bins = go.Scatter(
        x=list(numbers.confidence),
        y=list(shares),
        mode="markers+lines",
        line={"color": "rgba(47,127,193,0.4)"},
        marker={"color": BLUE, "size": 8},
        error_y={"array": up, "arrayminus": down, "thickness": 1.6, "width": 5, "color": BLUE},
        customdata=told,
        hovertemplate="%{customdata[0]} sure: %{customdata[1]} right (%{customdata[2]})<br>"
        "%{customdata[3]} of %{customdata[4]}<extra></extra>",
        showlegend=False,
    )
    return drawing(
        [equal, bins],
        height=460,
        xaxis={"tickformat": ".0%", "range": [0, 1.02], "title": {"text": "how sure"}},
        yaxis={"tickformat": ".0%", "range": [0, 1.05], "title": {"text": "how often right"}},
    )


def table(numbers: Calibration) -> pd.DataFrame:
    """One row a bin that holds examples."""
    bounds = zip(numbers.lows, numbers.highs, strict=True)
    return pd.DataFrame(
        {
            "how sure": [f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in bounds],
            "mean": [f"{100 * sure:.2f} %" for sure in numbers.confidence],
            "right": numbers.correct,
            "examples": numbers.examples,
            "accuracy": [f"{100 * right:.2f} %" for right in numbers.accuracies],
            "95 % interval": [percent(interval) for interval in numbers.intervals],
        }
    )


FIGURE = Figure[Sweep, Calibration](
    key="calibration",
    title="Calibration",
    numbers=of_winner(calibration),
    sentence=sentence,
    draw=draw,
    table=table,
)
