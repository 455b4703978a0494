"""The accuracy on each class, with the confidence interval of its own test examples."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.figures.figure import Figure
from reports.figures.style import BLUE, drawing, plain
from reports.figures.winner_evaluation import of_winner
from reports.formatting.wording import percent
from reports.statistics.intervals import Interval, wilson
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation


class Classes(NamedTuple):
    """The classes that have test examples, in the evaluation's order."""

    names: tuple[str, ...]
    """Labels of the classes."""
    correct: tuple[int, ...]
    """Number of correct predictions for each class."""
    examples: tuple[int, ...]
    """Number of test examples of each class, at least 1."""
    intervals: tuple[Interval, ...]
    """Wilson's 95 % interval of each class's accuracy."""

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The accuracy on each class, 0..1."""
        return tuple(correct / count for correct, count in zip(self.correct, self.examples, strict=True))


def classes(evaluation: Evaluation | None) -> Classes | str:
    """Returns the numbers, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so there is no accuracy by class."
    if evaluation.confusion is None:
        return "This trainable's evaluation has no classes, so there is no accuracy by class."
    rows = []
    for index, name in enumerate(class_names(evaluation)):
        examples = int(evaluation.confusion[index].sum())
        if examples:
            correct = int(evaluation.confusion[index, index])
            rows.append((name, correct, examples, wilson(correct, examples)))
    if not rows:
        return "The test set has no examples, so there is no accuracy by class."
    return Classes(*zip(*rows, strict=True))


def class_names(evaluation: Evaluation) -> tuple[str, ...]:
    """The classes' labels; their indices if the evaluation has none."""
    count = 0 if evaluation.confusion is None else len(evaluation.confusion)
    names = tuple(str(name) for name in evaluation.class_names)
    return names if len(names) == count else tuple(str(index) for index in range(count))


def sentence(numbers: Classes) -> str:
    """The classes with the lowest and the highest accuracy, and whether their intervals overlap."""
    order = sorted(range(len(numbers.names)), key=lambda index: (numbers.accuracies[index], index))
    worst, best = order[0], order[-1]
    accuracy = f"{100 * numbers.accuracies[worst]:.2f} % correct ({percent(numbers.intervals[worst])})"
    hardest = f"Hardest is {numbers.names[worst]}: {accuracy}"
    if worst == best:
        return f"{hardest}."
    apart = numbers.intervals[worst].high < numbers.intervals[best].low
    easiest = f"easiest {numbers.names[best]}: {100 * numbers.accuracies[best]:.2f} %"
    meaning = "their intervals do not overlap" if apart else "but their intervals overlap"
    return f"{hardest}, {easiest}; {meaning}."


def draw(numbers: Classes) -> go.Figure:
    """Bars of the share that was predicted as another class. They start at zero, whereas bars of an accuracy
    near 100 % would all look the same."""
    wrong = [1 - share for share in numbers.accuracies]
    up = [1 - interval.low - share for interval, share in zip(numbers.intervals, wrong, strict=True)]
    down = [share - (1 - interval.high) for interval, share in zip(numbers.intervals, wrong, strict=True)]
    hovers = [
        [f"{100 * share:.2f} %", percent(interval), correct, examples]
        for share, interval, correct, examples in zip(
            numbers.accuracies, numbers.intervals, numbers.correct, numbers.examples, strict=True
        )
    ]
    bars = go.Bar(
        x=[plain(name, 16) for name in numbers.names],
        y=wrong,
        customdata=hovers,
        marker={"color": "rgba(47,127,193,0.4)"},
        error_y={"array": up, "arrayminus": down, "thickness": 1.6, "width": 6, "color": BLUE},
        hovertemplate="%{x}: %{customdata[0]} correct (%{customdata[1]})<br>"
        "%{customdata[2]} of %{customdata[3]}<extra></extra>",
    )
    return drawing(
        [bars],
        height=460,
        bargap=0.4,
        xaxis={"type": "category", "title": {"text": "true class"}, "showgrid": False},
        yaxis={
            "tickformat": ".1%",
            "rangemode": "tozero",
            "title": {"text": "error rate: predicted as another class"},
        },
    )


def table(numbers: Classes) -> pd.DataFrame:
    """One row per class."""
    return pd.DataFrame(
        {
            "class": numbers.names,
            "correct": numbers.correct,
            "examples": numbers.examples,
            "accuracy": [f"{100 * share:.2f} %" for share in numbers.accuracies],
            "95 % interval": [percent(interval) for interval in numbers.intervals],
        }
    )


FIGURE = Figure[Sweep, Classes](
    key="classes",
    title="Error rate by class",
    numbers=of_winner(classes),
    sentence=sentence,
    draw=draw,
    table=table,
)
