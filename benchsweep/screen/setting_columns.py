"""The hyperparameters of trials as columns: as many as fit, in the plan's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from reports.formatting.wording import setting

GAP = 2
"""Columns between two columns of a table."""
_NARROWEST = 8
"""Columns of a hyperparameter, at least: a number of four significant digits."""
_WIDEST = 14
"""Columns of a hyperparameter, at most; a longer value is cut."""


@dataclass(frozen=True)
class SettingColumns:
    """The columns of a table's hyperparameters."""

    names: tuple[str, ...]
    """Those that have a column."""
    widths: tuple[int, ...]
    """Of the columns."""
    left_out: int
    """How many hyperparameters have none, for lack of room."""

    @classmethod
    def fitted(cls, names: Sequence[str], rows: Sequence[Mapping[str, Any]], room: int) -> SettingColumns:
        """The columns that fit in `room` columns of a terminal, each with a gap before it. rows: the
        hyperparameters of the table's trials."""
        kept: list[str] = []
        widths: list[int] = []
        for name in names:
            longest = max((len(setting(row[name])) for row in rows if name in row), default=0)
            width = min(_WIDEST, max(_NARROWEST, longest, *map(len, name.split("_"))))
            if sum(widths) + GAP * len(widths) + GAP + width > room:
                break
            kept.append(name)
            widths.append(width)
        return cls(tuple(kept), tuple(widths), len(names) - len(kept))

    @property
    def headers(self) -> list[str]:
        """The names, with line breaks between their words where they are wider than their column."""
        return [
            name if len(name) <= width else "\n".join(wrap(name.replace("_", " "), width))
            for name, width in zip(self.names, self.widths, strict=True)
        ]

    @property
    def header_lines(self) -> int:
        """Lines of the table's header, at least 1."""
        return max((header.count("\n") + 1 for header in self.headers), default=1)

    def cells(self, sampled: Mapping[str, Any]) -> list[str]:
        """The values of a trial, "" for a hyperparameter that it does not have."""
        return [setting(sampled[name]) if name in sampled else "" for name in self.names]

    @property
    def note(self) -> str:
        """What is missing, as a sentence; empty if nothing is."""
        if not self.left_out:
            return ""
        return (
            f"{self.left_out} more hyperparameters do not fit"
            if self.left_out > 1
            else ("1 more hyperparameter does not fit")
        )


def ordered(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The hyperparameters that any of the rows has: first those in `names`, in its order, then the others."""
    present = {name: None for row in rows for name in row}
    return list(dict.fromkeys([*(name for name in names if name in present), *present]))
