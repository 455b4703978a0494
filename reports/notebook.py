"""A run as a value in a notebook or a script: its record with what reports show of it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.confirmation import ConfirmationSummary, confirmation_summary
from reports.analysis.trials_frame import sampled_settings, states_sentence, trials_table
from reports.exports.frames import epochs_frame, reruns_frame, trials_frame
from reports.figures.all import FIGURES
from reports.figures.figure import sections
from reports.formatting.wording import setting
from search.records import sweep as records

_SHOWN = 10
"""Trials that a notebook shows of a run."""


class Frames(NamedTuple):
    """A run as data frames, whose columns `reports.exports.frames` documents."""

    trials: pd.DataFrame
    """One row for each trial."""
    epochs: pd.DataFrame
    """One row for each epoch of each trial."""
    reruns: pd.DataFrame
    """One row for each training of the confirmation."""


class Sweep(records.Sweep):
    """A run as it was when it was read: all fields of its record, among them `trials`, `metric`, `plan`,
    `confirmation` and `status`, its methods `best()`, `top()` and `ranked()`, and what follows."""

    @property
    def confirmed(self) -> ConfirmationSummary | None:
        """The candidates of the confirmation, the winner first in `rows`, and its result in `sentences`; None
        without one."""
        return confirmation_summary(self)

    @property
    def leaderboard(self) -> pd.DataFrame:
        """The trials that have a score, the best first, with the columns of
        `reports.analysis.trials_frame.trials_table`."""
        table = trials_table(self)
        return table[table["rank"].notna()].sort_values("rank", ignore_index=True)

    @property
    def frames(self) -> Frames:
        """Trials, epochs and reruns as data frames."""
        return Frames(trials_frame(self), epochs_frame(self), reruns_frame(self))

    @property
    def figures(self) -> Mapping[str, go.Figure]:
        """The figures of the report by name, such as "history": those that have something to show. A notebook
        draws one that is the last value of its cell."""
        return {
            name.replace("-plot", ""): drawing
            for section in sections(FIGURES, self)
            for name, drawing in section.drawings
        }

    def __repr__(self) -> str:
        return f"<Sweep {self.name}: {self.status}, {states_sentence(self)}{_best(self)}>"

    def _repr_html_(self) -> str:
        """The run in a cell of a notebook: its state, its best trial, what the confirmation says, and its
        first trials."""
        first, names = self.ranked()[:_SHOWN], sampled_settings(self)
        state = f"{self.status}, {states_sentence(self)}{_best(self)}"
        parts = [f"<b>{html.escape(self.name)}</b> {html.escape(state)}"]
        if self.confirmed is not None:
            parts.append(html.escape(" ".join(self.confirmed.sentences)))
        if first:
            rows = [
                [
                    str(trial.number),
                    trial.state.lower(),
                    self.metric.format(trial.score),
                    str(len(trial.epochs)),
                ]
                + [_cell(trial.sampled.get(name)) for name in names]
                for trial in first
            ]
            parts.append(_table(["trial", "state", self.metric.name, "epochs", *names], rows))
        return "".join(f"<div>{part}</div>" for part in parts)


def _best(sweep: records.Sweep) -> str:
    best = sweep.best()
    if best is None or best.score is None:
        return ""
    return f", best {sweep.metric.format(best.score)} (trial {best.number})"


def _cell(value: object) -> str:
    return "" if value is None else setting(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(columns, 'th')}</thead><tbody>{body}</tbody></table>"
