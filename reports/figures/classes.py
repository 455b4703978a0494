"""How well each class is recognised, with the uncertainty of its own test examples."""

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
    """The classes that have test examples, in the evaluation's order.

    correct, examples: of each class. intervals: 95 % Wilson intervals of correct / examples.
    """

    names: tuple[str, ...]
    correct: tuple[int, ...]
    examples: tuple[int, ...]
    intervals: tuple[Interval, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Share recognised, 0..1."""
        return tuple(right / all_ for right, all_ in zip(self.correct, self.examples, strict=True))


def classes(evaluation: Evaluation | None) -> Classes | str:
    """The numbers, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so there is no accuracy by class."
    if evaluation.confusion is None:
        return "This trainable's evaluation has no classes, so there is no accuracy by class."
    rows = []
    for place, name in enumerate(class_names(evaluation)):
        examples = int(evaluation.confusion[place].sum())
        if examples:
            right = int(evaluation.confusion[place, place])
            rows.append((name, right, examples, wilson(right, examples)))
    if not rows:
        return "The test set held no examples, so there is no accuracy by class."
    names, correct, counts, intervals = zip(*rows, strict=True)
    return Classes(names, correct, counts, intervals)


def class_names(evaluation: Evaluation) -> tuple[str, ...]:
    """The classes' labels; their index where the evaluation names none."""
    count = 0 if evaluation.confusion is None else len(evaluation.confusion)
    given = tuple(str(name) for name in evaluation.class_names)
    return given if len(given) == count else tuple(str(place) for place in range(count))


def sentence(numbers: Classes) -> str:
    """The hardest and the easiest class, and whether their intervals part them."""
    order = sorted(range(len(numbers.names)), key=lambda place: (numbers.accuracies[place], place))
    worst, best = order[0], order[-1]
    hardest = f"Hardest is {numbers.names[worst]}: {numbers.accuracies[worst]:.2%} right"
    hardest = f"{hardest} ({percent(numbers.intervals[worst])})".replace("% right", " % right")
    if worst == best:
        return f"{hardest}."
    apart = numbers.intervals[worst].high < numbers.intervals[best].low
    easiest = f"easiest {numbers.names[best]}: {100 * numbers.accuracies[best]:.2f} %"
    meaning = "their intervals do not overlap" if apart else "but their intervals overlap"
    return f"{hardest}, {easiest}; {meaning}."


def draw(numbers: Classes) -> go.Figure:
    """Bars of the share that was predicted as another class: they start at zero, where bars of an
    accuracy near 100 % would all look alike."""
    wrong = [1 - share for share in numbers.accuracies]
    up = [1 - interval.low - share for interval, share in zip(numbers.intervals, wrong, strict=True)]
    down = [share - (1 - interval.high) for interval, share in zip(numbers.intervals, wrong, strict=True)]
    told = [
        [f"{100 * share:.2f} %", percent(interval), right, examples]
        for share, interval, right, examples in zip(
            numbers.accuracies, numbers.intervals, numbers.correct, numbers.examples, strict=True
        )
    ]
    bars = go.Bar(
        x=[plain(name, 16) for name in numbers.names],
        y=wrong,
        customdata=told,
        marker={"color": "rgba(47,127,193,0.4)"},
        error_y={"array": up, "arrayminus": down, "thickness": 1.6, "width": 6, "color": BLUE},
        hovertemplate="%{x}: %{customdata[0]} right (%{customdata[1]})<br>"
        "%{customdata[2]} of %{customdata[3]}<extra></extra>",
    )
    return drawing(
        [bars],
        height=460,
        bargap=0.4,
        xaxis={"type": "category", "title": {"text": "true class"}, "showgrid": False},
        yaxis={"tickformat": ".1%", "rangemode": "tozero", "title": {"text": "predicted as another class"}},
    )


def table(numbers: Classes) -> pd.DataFrame:
    """A row a class."""
    return pd.DataFrame(
        {
            "class": numbers.names,
            "right": numbers.correct,
            "examples": numbers.examples,
            "accuracy": [f"{100 * share:.2f} %" for share in numbers.accuracies],
            "95 % interval": [percent(interval) for interval in numbers.intervals],
        }
    )


FIGURE = Figure[Sweep, Classes](
    key="classes",
    title="Accuracy by class",
    numbers=of_winner(classes),
    sentence=sentence,
    draw=draw,
    table=table,
)
