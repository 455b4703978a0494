"""What all figures share: colours, symbols, the default layout, escaped text.

The colours have a contrast of at least 3:1 against white and against near-black, so that one drawing serves
both themes, and colour-blind readers can distinguish them; each state also has its own symbol. Their order
follows M. Okabe and K. Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from reports.formatting.wording import shorten
from search.records.sweep import State
from trainable.contract import Metric

BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY = "#2f7fc1", "#d55e00", "#00946b", "#b065a6", "#c08400", "#868d97"
GRID = "rgba(128,136,148,0.22)"
CLEAR = "rgba(0,0,0,0)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"

COLOUR = {
    State.COMPLETE: BLUE,
    State.RUNNING: GREEN,
    State.INTERRUPTED: AMBER,
    State.PAUSED: GREY,
    State.PRUNED: GREY,
    State.DIVERGED: PURPLE,
    State.FAILED: ORANGE,
}
MARK = {
    State.COMPLETE: "circle",
    State.RUNNING: "circle-open",
    State.INTERRUPTED: "diamond",
    State.PAUSED: "diamond-open",
    State.PRUNED: "x",
    State.DIVERGED: "triangle-up",
    State.FAILED: "square",
}

OF_TRIALS = {"trials": True}
"""The `meta` of a trace whose points are trials: the first of a point's customdata is the trial's number, by
which the page links it with the trials table."""


class Window(NamedTuple):
    """The range of a value axis that is shown at first; a double click shows all of it."""

    low: float
    """Below `high`, in the metric's unit."""
    high: float
    """Above `low`, in the metric's unit."""
    outside: int
    """Number of values outside the range, all of them on the worse side."""


def window(values: Sequence[float], metric: Metric, judged_by: Sequence[float], reach: float) -> Window:
    """The range from the best value to `reach` interquartile ranges beyond the worse quartile of
    `judged_by`, so that a few very bad trials do not flatten the rest. It hides nothing if `judged_by` has
    fewer than four values or its quartiles are equal.

    Raises ValueError when there are no values.
    """
    known = np.asarray(values, dtype=np.float64)
    if known.size == 0:
        raise ValueError("a window needs at least one value, but got none")
    low, high = float(known.min()), float(known.max())
    quartiles = np.quantile(judged_by, [0.25, 0.75]) if len(judged_by) >= 4 else np.zeros(2)
    if (spread := float(quartiles[1] - quartiles[0])) > 0:
        if metric.higher_is_better:
            low = max(low, float(quartiles[0]) - reach * spread)
        else:
            high = min(high, float(quartiles[1]) + reach * spread)
    outside = int(np.sum((known < low) | (known > high)))
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 0.01
    return Window(low - margin, high + margin, outside)


def plain(text: str, longest: int = 60) -> str:
    """The text, shortened and escaped: plotly interprets HTML-like markup in every string it draws."""
    return html.escape(shorten(text, longest), quote=False)


def axis_title(metric: Metric) -> str:
    """The metric's name and unit as an axis title."""
    name = metric.name.replace("_", " ")
    return plain(name if metric.unit in ("", "share") else f"{name} ({metric.unit})")


def value_axis(metric: Metric, shown: Window | None = None) -> dict[str, Any]:
    """Plotly's properties of an axis that shows the metric."""
    axis: dict[str, Any] = {"title": {"text": axis_title(metric)}}
    if metric.unit == "share":
        axis["tickformat"] = ".2~%"
    if shown is not None:
        axis["range"] = [shown.low, shown.high]
    return axis


def count_axis(title: str, largest: int) -> dict[str, Any]:
    """Plotly's properties of an axis that counts up to `largest`, with labels at integers only."""
    axis: dict[str, Any] = {"title": {"text": title}, "tickformat": ",d"}
    return axis | {"dtick": 1} if largest <= 12 else axis


def tilt(labels: Sequence[str]) -> int:
    """The angle of an axis's labels in degrees: 0 if they are short."""
    return -30 if sum(len(label) for label in labels) > 26 else 0


def drawing(traces: Sequence[Any], height: int = 380, **layout: Any) -> go.Figure:
    """A drawing with the common layout: transparent, faint grid, legend above, `height` in pixels.

    layout: plotly's layout properties; "legend_entrywidth" is the property "entrywidth" of "legend".
    """
    # One dictionary, validated once: plotly's methods for changing a figure take longer than the rest.
    look = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False}
    properties: dict[str, Any] = {
        "template": "none",
        "height": height,
        "margin": {"l": 12, "r": 20, "t": 12, "b": 12},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": FONT, "size": 13, "color": GREY},
        "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT, "size": 13}},
        "legend": {
            "orientation": "h",
            "entrywidth": 60,  # pixels: on a narrow page the entries wrap instead of piling up
            "itemsizing": "constant",
            "font": {"size": 11},
            **{"x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        },
        "dragmode": "zoom",
        # Each axis extends the margin on its own side only; otherwise labels at a corner never settle.
        "xaxis": {"automargin": "bottom", "title": {"standoff": 10, "font": {"size": 13}}, **look},
        "yaxis": {"automargin": "left", "title": {"standoff": 10, "font": {"size": 13}}, **look},
    }
    for name, value in layout.items():
        table, _, key = name.partition("_") if name not in properties and "_" in name else (name, "", "")
        _put(properties, table, {key: value} if key else value)
    return go.Figure(data=list(traces), layout=properties)


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    """Sets a value; a nested table is updated, not replaced."""
    if isinstance(value, Mapping) and isinstance(nested := table.get(name), dict):
        for key, inner in value.items():
            _put(nested, key, inner)
    else:
        table[name] = value
