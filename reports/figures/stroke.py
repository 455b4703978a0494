"""The styles of the lines of several runs, which differ in colour, dash and symbol.

The colours are those of `reports.figures.style`. There are twelve symbols, as many as runs can be compared,
so no two runs have the same one and colours are not needed to distinguish them.
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
    """The style of one run's line, in plotly's names."""

    colour: str
    """As in CSS."""
    dash: str
    """One of `DASHES`."""
    symbol: str
    """One of `SYMBOLS`."""

    @property
    def line(self) -> dict[str, Any]:
        """Plotly's properties of the line."""
        return {"color": self.colour, "dash": self.dash, "width": 2}

    @property
    def marker(self) -> dict[str, Any]:
        """Plotly's properties of its markers."""
        return {"color": self.colour, "symbol": self.symbol, "size": 8}


def stroke(index: int) -> Stroke:
    """The style of the run at this index, 0 or more. The first twelve differ in their symbols, and in their
    pairs of colour and dash."""
    dash = index + len(DASHES) // 2 * (index // len(COLOURS))
    return Stroke(COLOURS[index % len(COLOURS)], DASHES[dash % len(DASHES)], SYMBOLS[index % len(SYMBOLS)])
