"""How the lines of several runs are told apart: by colour, by dash and by mark, each enough alone.

The colours are those of `reports.figures.style`; marks are twelve different ones, so that no two runs of
the most that are compared share theirs, whatever a reader sees of colours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reports.figures.style import AMBER, BLUE, GREEN, GREY, ORANGE, PURPLE

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "x",
    "cross",
    "triangle-down",
    "star",
    "hexagon",
    "pentagon",
    "hourglass",
    "bowtie",
)


class Stroke(NamedTuple):
    """The look of one run's line, as plotly calls it."""

    colour: str
    dash: str
    symbol: str

    @property
    def line(self) -> dict[str, Any]:
        """Settings of the line."""
        return {"color": self.colour, "dash": self.dash, "width": 2}

    @property
    def marker(self) -> dict[str, Any]:
        """Settings of its marks."""
        return {"color": self.colour, "symbol": self.symbol, "size": 8}


def stroke(place: int) -> Stroke:
    """The look of the run at this place, 0 or more. Of the first twelve no two share a mark, nor a colour
    and a dash."""
    dash = place + len(DASHES) // 2 * (place // len(COLOURS))
    return Stroke(COLOURS[place % len(COLOURS)], DASHES[dash % len(DASHES)], SYMBOLS[place % len(SYMBOLS)])
