"""A figure of a page, and the section that it fills for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import pandas as pd
import plotly.graph_objects as go

Shape = Literal["wide", "square", "pair", "small", "scroll", "table", "gallery"]
"""How a section shows its drawings: "pair" two side by side, "small" many in a grid, "scroll" never narrower
than `least_width`, "table" over the full width with the table open; "gallery" shows the numbers' pictures."""

Source = TypeVar("Source")
Numbers = TypeVar("Numbers")


@dataclass(frozen=True)
class Section:
    """A figure of one run, or of one comparison: everything that a page shows of it."""

    key: str
    """ID in the page, and prefix of the drawings' IDs."""
    title: str
    sentence: str
    """What the numbers show, or why there is nothing to draw."""
    numbers: Any = None
    """What the drawings are made from; None if there is nothing to draw."""
    drawings: tuple[tuple[str, go.Figure], ...] = ()
    """(ID, drawing); empty if there is nothing to draw."""
    table: pd.DataFrame | None = None
    """The numbers behind the drawings; None if the table of trials has them."""
    shape: Shape = "wide"
    least_width: int = 0
    """Pixels below which a drawing is scrolled instead of squeezed."""
    hint: str = ""
    """How to use the drawing; may be empty."""

    @property
    def shown(self) -> bool:
        """Whether there is more to show than the sentence."""
        return bool(self.drawings) or self.table is not None or self.numbers is not None


def reliable(numbers: Any) -> bool:
    """For figures whose numbers can always be relied on."""
    return True


def no_drawing(numbers: Any) -> Mapping[str, go.Figure]:
    """For figures that show no drawing."""
    return {}


def no_table(numbers: Any) -> None:
    """For figures whose numbers are in the table of trials."""


@dataclass(frozen=True, kw_only=True)
class Figure(Generic[Source, Numbers]):
    """How a figure is made. Numbers come first, so that tests assert on numbers and never on pixels."""

    key: str
    title: str
    numbers: Callable[[Source], Numbers | str | None]
    """Returns the numbers; a sentence if there are none; None if the figure does not apply to the source."""
    sentence: Callable[[Numbers], str]
    """Says what the numbers show."""
    draw: Callable[[Numbers], go.Figure | Mapping[str, go.Figure]] = no_drawing
    """Returns one drawing, or several by name."""
    table: Callable[[Numbers], pd.DataFrame | None] = no_table
    """Returns the numbers as a table."""
    shape: Shape = "wide"
    least_width: Callable[[Numbers], int] = lambda _: 0
    """Returns the width in pixels below which the drawing is scrolled."""
    hint: str = ""
    """How to use the drawing."""
    reliable: Callable[[Numbers], bool] = reliable
    """Returns whether the numbers can be relied on; those that cannot are not shown."""
    record: Callable[[Numbers | str], Mapping[str, Any]] | None = None
    """Returns the keys of results.json that hold the numbers; None if there are none."""

    def section(self, source: Source) -> Section | None:
        """Returns the section, or None if the figure does not apply to `source`."""
        numbers = self.numbers(source)
        if numbers is None:
            return None
        if isinstance(numbers, str):
            return Section(self.key, self.title, numbers, shape=self.shape)
        if not self.reliable(numbers):
            return Section(self.key, self.title, self.sentence(numbers), shape=self.shape)
        drawn = self.draw(numbers)
        return Section(
            key=self.key,
            title=self.title,
            sentence=self.sentence(numbers),
            numbers=numbers,
            drawings=((f"{self.key}-plot", drawn),)
            if isinstance(drawn, go.Figure)
            else _numbered(self.key, drawn.values()),
            table=self.table(numbers),
            shape=self.shape,
            least_width=self.least_width(numbers),
            hint=self.hint,
        )

    def keys(self, source: Source) -> Mapping[str, Any]:
        """Returns the figure's keys of results.json."""
        if self.record is None or (numbers := self.numbers(source)) is None:
            return {}
        return self.record(numbers)

    def joined(self, sources: Sequence[Source]) -> Section:
        """Returns one section with a drawing for each source that has numbers."""
        sections = [section for source in sources if (section := self.section(source)) is not None]
        tables = [section.table for section in sections if section.table is not None]
        drawings = [drawing for section in sections for _, drawing in section.drawings]
        return Section(
            key=self.key,
            title=self.title,
            sentence=" ".join(section.sentence for section in sections),
            numbers=[section.numbers for section in sections if section.numbers is not None] or None,
            drawings=_numbered(self.key, drawings),
            table=pd.concat(tables, ignore_index=True) if tables else None,
            shape=self.shape,
            hint=self.hint,
        )


def _numbered(key: str, drawings: Iterable[go.Figure]) -> tuple[tuple[str, go.Figure], ...]:
    """IDs without the drawings' names, which may hold any text."""
    return tuple((f"{key}-plot-{count}", drawing) for count, drawing in enumerate(drawings))


def sections(figures: Sequence[Figure[Source, Any]], source: Source) -> tuple[Section, ...]:
    """Returns a section for each figure that applies to `source`."""
    return tuple(section for figure in figures if (section := figure.section(source)) is not None)
