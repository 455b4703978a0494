"""Calibration: the winner's accuracy against its confidence, as a reliability diagram."""

from __future__ import annotations

import math
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


class Reliability(NamedTuple):
    """A model's accuracy by its confidence, which is the probability of the predicted class. Bins without
    examples are left out."""

    bins: int
    """Number of bins, empty ones too."""
    lows: tuple[float, ...]
    """Lower bound of each bin, 0..1, ascending."""
    highs: tuple[float, ...]
    """Upper bound of each bin, 0..1."""
    confidence: tuple[float, ...]
    """Mean confidence in each bin, 0..1."""
    correct: tuple[int, ...]
    """Number of correct predictions in each bin."""
    examples: tuple[int, ...]
    """Number of examples in each bin, at least 1."""
    intervals: tuple[Interval, ...]
    """Wilson's 95 % interval of each bin's accuracy."""
    error: float
    """Expected calibration error, 0..1."""
    mean: float
    """Mean confidence over all examples, 0..1."""
    accuracy: Interval
    """Wilson's 95 % interval of the accuracy over all examples."""

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The accuracy in each bin, 0..1."""
        return tuple(correct / count for correct, count in zip(self.correct, self.examples, strict=True))


def calibration(evaluation: Evaluation | None) -> Reliability | str:
    """Returns the numbers, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so the model's calibration is not known."
    recorded = evaluation.calibration
    if recorded is None or not sum(recorded.counts):
        return (
            "The evaluation on the test set has no probabilities: an earlier version recorded it, or the "
            "trainable does not offer them."
        )
    bins = len(recorded.counts)
    filled = [index for index, count in enumerate(recorded.counts) if count]
    return Reliability(
        bins=bins,
        lows=tuple(index / bins for index in filled),
        highs=tuple((index + 1) / bins for index in filled),
        confidence=tuple(recorded.confidence[index] for index in filled),
        correct=tuple(recorded.correct[index] for index in filled),
        examples=tuple(recorded.counts[index] for index in filled),
        intervals=tuple(wilson(recorded.correct[index], recorded.counts[index]) for index in filled),
        error=recorded.error,
        mean=recorded.mean_confidence,
        accuracy=wilson(sum(recorded.correct), sum(recorded.counts)),
    )


def sentence(numbers: Reliability) -> str:
    """Mean confidence, accuracy, and the expected calibration error."""
    accuracy = sum(numbers.correct) / sum(numbers.examples)
    meaning = "overconfident" if numbers.mean > accuracy else "underconfident"
    if numbers.accuracy.low <= numbers.mean <= numbers.accuracy.high:
        meaning = "well calibrated, within the interval of its accuracy"
    return (
        f"The model's mean confidence is {100 * numbers.mean:.2f} % and its accuracy {100 * accuracy:.2f} %: "
        f"{meaning}. Its expected calibration error is {100 * numbers.error:.2f} points (Guo et al. 2017, "
        f"{numbers.bins} bins)."
    )


def draw(numbers: Reliability) -> go.Figure:
    """The accuracy over the confidence, with the diagonal on which they are equal."""
    shares = numbers.accuracies
    hovers = [
        [
            f"{100 * low:.0f} to {100 * high:.0f} %",
            f"{100 * share:.1f} %",
            percent(interval),
            correct,
            examples,
        ]
        for low, high, share, interval, correct, examples in zip(
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
        customdata=hovers,
        hovertemplate="confidence %{customdata[0]}: %{customdata[1]} correct (%{customdata[2]})<br>"
        "%{customdata[3]} of %{customdata[4]}<extra></extra>",
        showlegend=False,
    )
    counts = go.Bar(
        x=[(low + high) / 2 for low, high in zip(numbers.lows, numbers.highs, strict=True)],
        y=list(numbers.examples),
        width=[0.9 * (high - low) for low, high in zip(numbers.lows, numbers.highs, strict=True)],
        marker={"color": "rgba(134,141,151,0.2)"},
        yaxis="y2",
        hovertemplate="%{y:,} examples<extra></extra>",
        showlegend=False,
    )
    return drawing(
        [equal, bins, counts],
        height=460,
        # Most examples are in the last bins, so that only a logarithmic axis shows the others.
        margin={"r": 66},
        yaxis2={
            "type": "log",
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "zeroline": False,
            "rangemode": "tozero",
            "range": [-0.3, 3 * math.log10(max(numbers.examples) + 1)],
            "tickvals": [10**power for power in range(len(str(max(numbers.examples))))],
            "title": {"text": "examples (bars)", "standoff": 10, "font": {"size": 13}},
        },
        xaxis={"tickformat": ".0%", "range": [0, 1.02], "title": {"text": "confidence"}},
        yaxis={"tickformat": ".0%", "range": [0, 1.05], "title": {"text": "accuracy"}},
    )


def table(numbers: Reliability) -> pd.DataFrame:
    """One row per bin that has examples."""
    bounds = zip(numbers.lows, numbers.highs, strict=True)
    return pd.DataFrame(
        {
            "confidence": [f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in bounds],
            "mean": [f"{100 * mean:.2f} %" for mean in numbers.confidence],
            "correct": numbers.correct,
            "examples": numbers.examples,
            "accuracy": [f"{100 * accuracy:.2f} %" for accuracy in numbers.accuracies],
            "95 % interval": [percent(interval) for interval in numbers.intervals],
        }
    )


FIGURE = Figure[Sweep, Reliability](
    key="calibration",
    title="Calibration",
    numbers=of_winner(calibration),
    sentence=sentence,
    draw=draw,
    table=table,
)
