"""The report's sections that hold figures: a title, a computed sentence, drawings, the numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.confirmed import ConfirmationSummary, confirmed
from reports.analysis.winner import winner_of
from reports.figures import (
    ablation,
    calibration,
    classes,
    confirmation,
    confusion,
    contours,
    curves,
    efficiency,
    history,
    importances,
    parallel,
    pruning,
    ranks,
    schedules,
    slices,
    timeline,
)
from reports.figures.gallery import Gallery, gallery, share
from reports.figures.gallery import sentence as gallery_sentence
from reports.formatting.estimates import difference, interval_text, mean_with_deviation, p_text
from search.records.sweep import Sweep
from trainable.contract import Metric


@dataclass(frozen=True)
class Section:
    """One section.

    key: its place in the page (`#key`) and in the data.
    shape: "wide", "square", "pair" (two side by side), "small" (many of them) or "scroll" (never drawn
        narrower than `least_width` pixels, but scrolled where the page is).
    figures: (id, drawing), none when the sentence says why there is nothing to draw.
    table: the numbers behind the drawing where the trials table does not hold them; else None.
    hint: what a reader can do with the drawing.
    gallery: images to show; None where the section has none.
    """

    key: str
    title: str
    sentence: str
    shape: str = "wide"
    least_width: int = 0
    figures: tuple[tuple[str, go.Figure], ...] = ()
    table: pd.DataFrame | None = None
    hint: str = ""
    gallery: Gallery | None = None


def sections(sweep: Sweep) -> tuple[Section, ...]:
    """All of them, in reading order; what a sweep has none of by its nature, such as classes, is left out."""
    winner = winner_of(sweep)
    evaluation = winner.evaluation if winner else None
    made = [
        _section("ablation", "From the default to the best", ablation.ablation(sweep), ablation),
        _section("history", "Optimisation history", history.history(sweep), history),
        _section(
            "efficiency", "Best so far, and random search", efficiency.efficiency(sweep), efficiency, "small"
        ),
        _section("curves", "Learning curves", curves.curves(sweep), curves),
        _section("importances", "What matters", importances.importances(sweep), importances),
        _parallel(sweep),
        _section("slices", "Score against each setting", slices.slices(sweep), slices, "small"),
        _section("contours", "Two settings at once, modelled", contours.contours(sweep), contours, "small"),
        _section("ranks", "Two settings at once, as measured", ranks.ranks(sweep), ranks, "small"),
    ]
    if not isinstance(told := schedules.schedules(sweep), str):
        made.append(_section("schedules", "Learning-rate schedules", told, schedules, "pair"))
    made.append(_section("pruning", "Pruning", pruning.pruning(sweep), pruning))
    made.append(_section("timeline", "Timeline of workers", timeline.timeline(sweep), timeline))
    if evaluation is None or evaluation.confusion is not None:
        made.append(_section("classes", "Accuracy by class", classes.classes(evaluation), classes))
        mixed_up = confusion.confusion(evaluation)
        made.append(_section("confusion", "Confusion matrix", mixed_up, confusion, "square"))
        made.append(_gallery(gallery(evaluation)))
        made.append(_section("calibration", "Calibration", calibration.calibration(evaluation), calibration))
    return tuple(made)


def confirmation_section(sweep: Sweep) -> Section:
    """What became of the search's best trials when they were trained again."""
    told = confirmed(sweep)
    numbers = confirmation.confirmation(told)
    if isinstance(numbers, str):
        table = None if told is None else _confirmation_table(told)
        return Section("confirmation", "Confirmation", numbers, table=table)
    return Section(
        "confirmation",
        "Confirmation",
        confirmation.sentence(numbers),
        figures=(("confirmation-plot", confirmation.draw(numbers)),),
        table=None if told is None else _confirmation_table(told),
    )


def _confirmation_table(told: ConfirmationSummary) -> pd.DataFrame:
    metric, figure = told.metric, told.figure
    rows = []
    for row in told.rows:
        seen = row.tested
        shown = {
            "candidate": row.name,
            "state": row.state,
            "seeds": row.seeds,
            "in the search": metric.format(row.selected_on),
            "fresh seeds": "–" if row.mean is None else mean_with_deviation(metric, row.mean, row.deviation),
            "luck": "–" if row.luck is None else f"{'-' * (row.luck < 0)}{difference(metric, row.luck)}",
        }
        if figure is not None:
            gain = None if seen is None else seen.gain
            shown |= {
                "test set": "–" if seen is None else mean_with_deviation(figure, seen.mean, seen.deviation),
                "95 % interval": "" if seen is None else interval_text(figure, seen.low, seen.high),
                "chance of best": "" if seen is None or seen.best is None else f"{seen.best:.0%}",
                "winner is": "" if seen is None else seen.standing or "",
                "by": "" if gain is None else _signed(figure, gain.difference),
                f"{100 * (1 - told.level):g} % interval of that": ""
                if gain is None or math.isinf(gain.low)
                else f"{_signed(figure, gain.low)} to {_signed(figure, gain.high)}",
                "p": "" if seen is None or seen.p is None else p_text(seen.p),
            }
        rows.append({**shown, "why it is out": row.why})
    return pd.DataFrame(rows)


def _signed(metric: Metric, value: float) -> str:
    return f"{100 * value:+.2f}" if metric.unit == "share" else f"{value:+.3g}"


def _section(key: str, title: str, numbers: Any, drawer: Any, shape: str = "wide") -> Section:
    """The section of `numbers`, drawn by the figure module `drawer`; a string says why there are none."""
    if isinstance(numbers, str):
        return Section(key, title, numbers)
    drawn = drawer.draw(numbers)
    named = enumerate(drawn.values()) if isinstance(drawn, dict) else [("", drawn)]
    figures = tuple((f"{key}-plot{'-' if place != '' else ''}{place}", figure) for place, figure in named)
    return Section(key, title, drawer.sentence(numbers), shape, figures=figures, table=drawer.table(numbers))


def _parallel(sweep: Sweep) -> Section:
    """The trials table holds its numbers."""
    title, numbers = "Parallel coordinates", parallel.parallel(sweep)
    if isinstance(numbers, str):
        return Section("parallel", title, numbers)
    return Section(
        "parallel",
        title,
        parallel.sentence(numbers),
        "scroll",
        least_width=88 * len(numbers.axes),  # what an upright axis and its labels need
        figures=(("parallel-plot", parallel.draw(numbers)),),
        hint="A box drawn over an axis keeps the trials that pass there, in every drawing and in the trials "
        "table; a double click shows all again.",
    )


def _gallery(numbers: Gallery | str) -> Section:
    title = "Worst mistakes"
    if isinstance(numbers, str):
        return Section("gallery", title, numbers)
    rows = [
        (each.example, each.true, each.predicted, each.sure, share(each.true_probability))
        for each in numbers.pictures
    ]
    columns = ["test example", "true class", "taken for", "probability", "of the true class"]
    return Section(
        "gallery",
        title,
        gallery_sentence(numbers),
        table=pd.DataFrame(rows, columns=columns),
        gallery=numbers,
    )
