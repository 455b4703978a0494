"""The trials table of the page: its columns with what they show and how they are sorted and filtered."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, Literal, NamedTuple

import pandas as pd

from reports.analysis.scale import Scale, scales
from reports.analysis.trials_frame import sampled_settings, trials_table
from reports.formatting.wording import duration, setting
from search.records.sweep import State, Sweep

FilterKind = Literal["number", "choice", "text"]

UNFILTERED = ("rank", "number", "seconds")
"""Numeric columns without a range filter."""


class TableColumn(NamedTuple):
    """One column of the table."""

    key: str
    """Its name in the page: "score", or "sampled.dropout" for a hyperparameter."""
    title: str
    """The heading."""
    kind: FilterKind
    """The filter: a "number" has a range (except in `UNFILTERED`), a "choice" one of `choices`, a "text"
    none."""
    choices: tuple[str, ...]
    """The values to choose from; empty unless kind is "choice"."""
    values: tuple[float | str | None, ...]
    """One per row, for sorting and filtering; None if the trial has none. Shares are in percent, as in the
    cells, so that a filter takes the numbers that are shown."""
    cells: tuple[str, ...]
    """One per row, the text shown."""

    @property
    def ranged(self) -> bool:
        """Whether it has a range filter."""
        return self.kind == "number" and self.key not in UNFILTERED


class SortableTrials(NamedTuple):
    """The trials table of the page."""

    rows: tuple[Mapping[Hashable, Any], ...]
    """Those of `reports.analysis.trials_frame.trials_table`, best first; trials without a rank come last, by
    number."""
    columns: tuple[TableColumn, ...]
    """Rank, number, state, score, epochs, seconds, the sampled hyperparameters in the plan's order, error."""

    @property
    def numbers(self) -> list[int]:
        """The trials' numbers, row by row."""
        return [int(row["number"]) for row in self.rows]

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs for sorting and filtering, as plain JSON values."""
        return {
            "trials": self.numbers,
            "columns": {
                column.key: {"kind": column.kind, "values": list(column.values)} for column in self.columns
            },
        }


def trials(sweep: Sweep) -> SortableTrials:
    """The trials table of a sweep; it has no rows before the first trial."""
    frame = trials_table(sweep).sort_values("rank", kind="stable", na_position="last")
    rows = tuple(frame.to_dict("records"))
    metric, factor = sweep.metric, shown_factor(sweep)
    known = {scale.name: scale for scale in scales(sweep)}
    scores = [_number(row["score"]) for row in rows]
    states = [str(row["state"]).lower() for row in rows]
    columns = [
        _numbers("rank", "rank", [_number(row["rank"]) for row in rows]),
        _numbers("number", "trial", [_number(row["number"]) for row in rows]),
        TableColumn("state", "state", "choice", _occurring(states), tuple(states), tuple(states)),
        TableColumn(
            "score",
            metric.name,
            "number",
            (),
            tuple(None if score is None else factor * score for score in scores),
            tuple("" if score is None else metric.format(score) for score in scores),
        ),
        _numbers("epochs", "epochs", [_number(row["epochs"]) for row in rows]),
        TableColumn(
            "seconds",
            "time",
            "number",
            (),
            tuple(_number(row["seconds"]) for row in rows),
            tuple(duration(float(row["seconds"])) for row in rows),
        ),
        *(
            _setting(known[name], [row[f"sampled.{name}"] for row in rows])
            for name in sampled_settings(sweep)
        ),
        TableColumn(
            "error",
            "error",
            "text",
            (),
            tuple(row["error"] for row in rows),
            tuple(row["error"] for row in rows),
        ),
    ]
    return SortableTrials(rows, tuple(columns))


def shown_factor(sweep: Sweep) -> float:
    """The factor from a score to the number shown: 100 for a share, otherwise 1."""
    return 100.0 if sweep.metric.unit == "share" else 1.0


def setting_key(name: str) -> str:
    """The key of a hyperparameter's column."""
    return f"sampled.{name}"


def _occurring(states: list[str]) -> tuple[str, ...]:
    return tuple(state.lower() for state in State if state.lower() in states)


def _numbers(key: str, title: str, values: list[float | None]) -> TableColumn:
    cells = tuple("" if value is None else f"{value:.0f}" for value in values)
    return TableColumn(key, title, "number", (), tuple(values), cells)


def _setting(scale: Scale, values: list[Any]) -> TableColumn:
    sampled = [None if missing(value) else value for value in values]
    cells = tuple("" if value is None else setting(value) for value in sampled)
    if scale.choices:
        labels = tuple(cell or None for cell in cells)
        return TableColumn(setting_key(scale.name), scale.name, "choice", scale.choices, labels, cells)
    numbers = tuple(None if value is None else float(value) for value in sampled)
    return TableColumn(setting_key(scale.name), scale.name, "number", (), numbers, cells)


def _number(value: Any) -> float | None:
    return None if missing(value) else float(value)


def missing(value: Any) -> bool:
    """Whether a cell of a frame is missing: None, NA or NaN."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
