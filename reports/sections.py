"""The report's sections that hold figures: a title, a computed sentence, drawings, the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from reports.confirmed import Confirmed, confirmed, difference, figures, interval_words, p_words
from reports.figures import classes, confirmation, confusion, curves, history, importances, parallel, slices
from reports.winner import winner_of
from reports.wording import percent
from search.records import Sweep
from trainable.contract import Metric


@dataclass(frozen=True)
class Section:
    """One section.

    key: its place in the page (`#key`) and in the data.
    shape: "wide", "square", "small" (many small drawings side by side) or "scroll" (never drawn
        narrower than `least_width` pixels, but scrolled where the page is).
    figures: (id, drawing), none when the sentence says why there is nothing to draw.
    table: the numbers behind the drawing where the trials table does not hold them; else None.
    """

    key: str
    title: str
    sentence: str
    shape: str = "wide"
    least_width: int = 0
    figures: tuple[tuple[str, go.Figure], ...] = ()
    table: pd.DataFrame | None = None


def sections(sweep: Sweep) -> tuple[Section, ...]:
    """All of them, in reading order; what an evaluation without classes has none of is left out."""
    winner = winner_of(sweep)
    evaluation = winner.evaluation if winner else None
    made = [
        _section("history", "Optimisation history", history.history(sweep), history),
        _section("curves", "Learning curves", curves.curves(sweep), curves),
        _section(
            "importances", "What matters", importances.importances(sweep), importances, _importance_table
        ),
        _section("parallel", "Parallel coordinates", parallel.parallel(sweep), parallel, shape="scroll"),
        _slices(sweep),
    ]
    if evaluation is None or evaluation.confusion is not None:
        by_class, mixed_up = classes.classes(evaluation), confusion.confusion(evaluation)
        made.append(_section("classes", "Accuracy by class", by_class, classes, _class_table))
        made.append(
            _section("confusion", "Confusion matrix", mixed_up, confusion, _confusion_table, "square")
        )
    return tuple(made)


def confirmation_section(sweep: Sweep) -> Section:
    """What became of the search's best trials when they were trained again."""
    told = confirmed(sweep)
    made = _section("confirmation", "Confirmation", confirmation.confirmation(told), confirmation)
    return made if told is None else replace(made, table=_confirmation_table(told))


def _confirmation_table(told: Confirmed) -> pd.DataFrame:
    metric, figure = told.metric, told.figure
    rows = []
    for row in told.rows:
        seen = row.tested
        shown = {
            "candidate": row.name,
            "state": row.state,
            "seeds": row.seeds,
            "in the search": metric.format(row.selected_on),
            "fresh seeds": "–" if row.mean is None else figures(metric, row.mean, row.deviation),
            "luck": "–" if row.luck is None else f"{'-' * (row.luck < 0)}{difference(metric, row.luck)}",
        }
        if figure is not None:
            gain = None if seen is None else seen.gain
            shown |= {
                "test set": "–" if seen is None else figures(figure, seen.mean, seen.deviation),
                "95 % interval": "" if seen is None else interval_words(figure, seen.low, seen.high),
                "chance of best": "" if seen is None or seen.best is None else f"{seen.best:.0%}",
                "winner is": "" if seen is None else seen.word or "",
                "by": "" if gain is None else _signed(figure, gain.difference),
                f"{100 * (1 - told.level):g} % interval of that": ""
                if gain is None or math.isinf(gain.low)
                else f"{_signed(figure, gain.low)} to {_signed(figure, gain.high)}",
                "p": "" if seen is None or seen.p is None else p_words(seen.p),
            }
        rows.append({**shown, "why it is out": row.why})
    return pd.DataFrame(rows)


def _signed(metric: Metric, value: float) -> str:
    return f"{100 * value:+.2f}" if metric.unit == "share" else f"{value:+.3g}"


def _section(
    key: str,
    title: str,
    numbers: Any,
    drawer: Any,
    table: Callable[[Any], pd.DataFrame] | None = None,
    shape: str = "wide",
) -> Section:
    """The section of `numbers`, drawn by the figure module `drawer`; a string says why there are none."""
    if isinstance(numbers, str):
        return Section(key, title, numbers)
    drawn = ((f"{key}-plot", drawer.draw(numbers)),)
    # An upright axis and its labels need so much room, whatever the page is wide.
    least = 88 * len(numbers.axes) if shape == "scroll" else 0
    behind = table(numbers) if table else None
    return Section(key, title, drawer.sentence(numbers), shape, least, drawn, behind)


def _slices(sweep: Sweep) -> Section:
    title, numbers = "Score against each setting", slices.slices(sweep)
    if isinstance(numbers, str):
        return Section("slices", title, numbers)
    drawn = enumerate(slices.draw(numbers).values())
    figures = tuple((f"slices-plot-{place}", figure) for place, figure in drawn)
    return Section("slices", title, slices.sentence(numbers), "small", figures=figures)


def _importance_table(numbers: importances.Importances) -> pd.DataFrame:
    shares = [f"{share:.1%}" for share in numbers.shares]
    return pd.DataFrame({"setting": numbers.names, "importance": shares})


def _class_table(numbers: classes.Classes) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "class": numbers.names,
            "right": numbers.correct,
            "examples": numbers.examples,
            "accuracy": [f"{100 * share:.2f} %" for share in numbers.accuracies],
            "95 % interval": [percent(interval) for interval in numbers.intervals],
        }
    )


def _confusion_table(numbers: confusion.Confusion) -> pd.DataFrame:
    """What was mixed up, the 30 most frequent pairs."""
    pairs = numbers.pairs[:30]
    return pd.DataFrame(pairs, columns=["true class", "taken for", "examples"])
