"""Confusion matrix: true against predicted classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from reports.figures.classes import class_names
from reports.figures.figure import Figure
from reports.figures.style import drawing, plain
from reports.figures.winner_evaluation import of_winner
from reports.formatting.wording import listing, plural
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation

MOST_NUMBERED = 20
"""Maximum number of classes for which the cells show their counts; more make them too small."""


class Confusion(NamedTuple):
    """The confusion matrix and its mistakes."""

    names: tuple[str, ...]
    """Labels of the classes."""
    counts: NDArray[np.int64]
    """Number of examples, int64 [classes, classes]: rows are the true class, columns the predicted one."""
    pairs: tuple[tuple[str, str, int], ...]
    """Mistakes as (true class, predicted class, number of examples), most frequent first."""


def confusion(evaluation: Evaluation | None) -> Confusion | str:
    """Returns the numbers, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so there is no confusion matrix."
    counts = evaluation.confusion
    if counts is None or counts.size == 0:
        return "This trainable's evaluation has no classes, so there is no confusion matrix."
    names = class_names(evaluation)
    mistakes = [
        (names[row], names[column], int(counts[row, column]))
        for row, column in np.argwhere(counts > 0)
        if row != column
    ]
    return Confusion(names, counts, tuple(sorted(mistakes, key=lambda pair: -pair[2])))


def sentence(numbers: Confusion) -> str:
    """How many predictions were wrong, and which mistakes were the most frequent."""
    total, wrong = int(numbers.counts.sum()), sum(count for _, _, count in numbers.pairs)
    if not wrong:
        return f"None of {plural(total, 'example')} was misclassified."
    most = [f"{true} predicted as {other} ({count})" for true, other, count in numbers.pairs[:3]]
    return f"{wrong:,} of {plural(total, 'example')} were misclassified, most often {listing(most)}."


def draw(numbers: Confusion) -> go.Figure:
    """Mistakes in orange on a logarithmic scale, on which a good model's few remain visible; the diagonal in
    a faint blue."""
    counts = numbers.counts
    diagonal = np.eye(len(counts), dtype=bool)
    labels = [plain(name, 12) for name in numbers.names]
    wrong = np.where(~diagonal & (counts > 0), np.log10(1 + counts), np.nan)
    right = np.where(diagonal, 1.0, np.nan)
    traces = [
        _cells(numbers, labels, right, [[0, "rgba(47,127,193,0.28)"], [1, "rgba(47,127,193,0.28)"]]),
        _cells(numbers, labels, wrong, [[0, "rgba(213,94,0,0.10)"], [1, "rgba(213,94,0,0.88)"]]),
    ]
    return drawing(
        traces,
        height=540,
        xaxis={
            "title": {"text": "predicted as"},
            "type": "category",
            "showgrid": False,
            "constrain": "domain",
        },
        yaxis={
            "title": {"text": "true class"},
            "type": "category",
            "showgrid": False,
            "autorange": "reversed",
            "scaleanchor": "x",
            "constrain": "domain",
        },
    )


def _cells(
    numbers: Confusion, labels: list[str], values: NDArray[Any], colours: list[list[Any]]
) -> go.Heatmap:
    """One layer of cells with their counts, where `values` is not NaN."""
    counts, sizes = numbers.counts, numbers.counts.sum(axis=1)
    shown = ~np.isnan(values)
    share = np.divide(counts, sizes[:, None], out=np.zeros(counts.shape), where=sizes[:, None] > 0)
    hovers = [
        [f"{counts[r, c]:,} ({share[r, c]:.2%})" if shown[r, c] else "" for c in range(len(labels))]
        for r in range(len(labels))
    ]
    text = [
        [f"{counts[r, c]}" if shown[r, c] else "" for c in range(len(labels))] for r in range(len(labels))
    ]
    return go.Heatmap(
        x=labels,
        y=labels,
        z=[[None if np.isnan(value) else float(value) for value in row] for row in values],
        zmin=0,
        zmax=max(1.0, float(np.nanmax(values))) if shown.any() else 1.0,
        colorscale=colours,
        showscale=False,
        text=text if len(labels) <= MOST_NUMBERED else None,
        texttemplate="%{text}" if len(labels) <= MOST_NUMBERED else None,
        customdata=hovers,
        hoverongaps=False,
        xgap=1,
        ygap=1,
        hovertemplate="true %{y}, predicted as %{x}: %{customdata}<extra></extra>",
    )


def table(numbers: Confusion) -> pd.DataFrame:
    """The 30 most frequent mistakes."""
    return pd.DataFrame(numbers.pairs[:30], columns=["true class", "predicted as", "examples"])


FIGURE = Figure[Sweep, Confusion](
    key="confusion",
    title="Confusion matrix",
    numbers=of_winner(confusion),
    sentence=sentence,
    draw=draw,
    table=table,
    shape="square",
)
