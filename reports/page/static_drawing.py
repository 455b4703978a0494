"""A drawing as static SVG, for readers without JavaScript: its points and lines, with labelled axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 300
"""Pixels of the drawing."""
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 40
"""Pixels around the area of the data."""
MOST_POINTS = 4000
"""Points of a drawing, at most; of more, evenly spaced ones."""
TICKS = 5
"""Ticks of an axis, about."""


class _Axis(NamedTuple):
    """One axis, over the range of its data."""

    low: float
    high: float
    log: bool
    percent: bool
    title: str

    def share(self, value: float) -> float | None:
        """Where a value lies, 0..1; None outside, and for no positive value on a logarithmic axis."""
        if self.log:
            if value <= 0:
                return None
            value = math.log10(value)
        share = (value - self.low) / (self.high - self.low)
        return share if -0.02 <= share <= 1.02 else None

    def ticks(self) -> list[tuple[float, str]]:
        """(share, label) of round values."""
        step = 10 ** math.floor(math.log10((self.high - self.low) / TICKS))
        step *= next(
            factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (factor * step) <= TICKS + 1
        )
        first = math.ceil(self.low / step)
        values = [step * index for index in range(first, math.floor(self.high / step) + 1)]
        return [((value - self.low) / (self.high - self.low), self._label(value)) for value in values]

    def _label(self, value: float) -> str:
        if self.log:
            value = 10**value
        return f"{100 * value:.4g} %" if self.percent else f"{value:.4g}"


def static_drawing(figure: go.Figure, label: str) -> Markup | None:
    """The SVG of a drawing of points and lines over two numeric axes; None for any other.

    label: what it shows, for readers who do not see it."""
    drawing = figure.to_plotly_json()
    traces = [
        trace for trace in drawing["data"] if trace.get("type") == "scatter" and trace.get("visible", True)
    ]
    if len(traces) != len(drawing["data"]) or any("yaxis" in trace or "xaxis" in trace for trace in traces):
        return None
    points = [list(_points(trace)) for trace in traces]
    known = [point for own in points for point in own if point is not None]
    if not known:
        return None
    layout = drawing["layout"]
    across = _axis(layout.get("xaxis", {}), [x for x, _ in known])
    up = _axis(layout.get("yaxis", {}), [y for _, y in known])
    if across is None or up is None:
        return None
    parts = [*_grid(across, up)]
    skipped = max(1, math.ceil(len(known) / MOST_POINTS))
    for trace, own in zip(traces, points, strict=True):
        parts.append(_trace(trace, own[::skipped], across, up))
    inner = Markup("").join(parts)
    return Markup(
        '<svg class="static" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{inner}</svg>'
    ).format(w=WIDTH, h=HEIGHT, label=label, inner=inner)


def _points(trace: dict[str, Any]) -> Iterator[tuple[float, float] | None]:
    """The points of a trace; None for a gap."""
    xs, ys = trace.get("x"), trace.get("y")
    if xs is None or ys is None:
        return
    for x, y in zip(list(xs), list(ys), strict=False):
        if _is_number(x) and _is_number(y):
            yield float(x), float(y)
        else:
            yield None


def _is_number(value: Any) -> bool:
    return not isinstance(value, str | bool) and value is not None and math.isfinite(value)


def _axis(layout: dict[str, Any], values: Sequence[float]) -> _Axis | None:
    log = layout.get("type") == "log"
    if layout.get("type") not in (None, "-", "linear", "log"):
        return None
    if log:
        values = [math.log10(value) for value in values if value > 0]
    if not values:
        return None
    ends = layout.get("range") or (min(values), max(values))
    low, high = (float(end) for end in ends)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    margin = 0.0 if layout.get("range") else 0.03 * (high - low)
    title = (layout.get("title") or {}).get("text") or ""
    return _Axis(low - margin, high + margin, log, "%" in (layout.get("tickformat") or ""), title)


def _grid(across: _Axis, up: _Axis) -> Iterator[Markup]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for share, label in across.ticks():
        x = _x(share)
        yield Markup(
            '<line x1="{x}" x2="{x}" y1="{t}" y2="{b}"/><text x="{x}" y="{y}" text-anchor="middle">{l}</text>'
        ).format(x=x, t=TOP, b=bottom, y=bottom + 14, l=label)
    for share, label in up.ticks():
        y = _y(share)
        yield Markup(
            '<line x1="{a}" x2="{r}" y1="{y}" y2="{y}"/><text x="{t}" y="{v}" text-anchor="end">{l}</text>'
        ).format(a=LEFT, r=right, y=y, t=LEFT - 6, v=round(y + 4, 1), l=label)
    yield Markup('<text x="{x}" y="{y}" text-anchor="middle">{l}</text>').format(
        x=(LEFT + right) / 2, y=HEIGHT - 6, l=Markup(across.title).striptags()
    )
    yield Markup('<text transform="translate(12 {y}) rotate(-90)" text-anchor="middle">{l}</text>').format(
        y=(TOP + bottom) / 2, l=Markup(up.title).striptags()
    )


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _trace(
    trace: dict[str, Any], points: Sequence[tuple[float, float] | None], across: _Axis, up: _Axis
) -> Markup:
    mode, marker, line = (
        trace.get("mode") or "lines+markers",
        trace.get("marker") or {},
        trace.get("line") or {},
    )
    colour = _colour(line.get("color") or marker.get("color"))
    places: list[tuple[float, float] | None] = []
    for point in points:
        x, y = (None, None) if point is None else (across.share(point[0]), up.share(point[1]))
        places.append(None if x is None or y is None else (_x(x), _y(y)))
    opacity = trace.get("opacity") or marker.get("opacity") or 1
    parts = []
    if "lines" in mode:
        path, moved, before = [], True, None
        for place in places:
            if place is None:
                moved, before = True, None
                continue
            stepped = line.get("shape") == "hv" and before is not None
            path.append(
                f"M{place[0]} {place[1]}"
                if moved
                else f"{f'H{place[0]}' if stepped else ''}L{place[0]} {place[1]}"
            )
            moved, before = False, place
        parts.append(
            Markup('<path d="{d}" fill="none" stroke="{c}" stroke-width="{w}" opacity="{o}"/>').format(
                d="".join(path), c=colour, w=line.get("width", 1.5), o=opacity
            )
        )
    if "markers" in mode:
        dots = "".join(f"M{place[0]} {place[1]}h0" for place in places if place is not None)
        size = marker.get("size", 5)
        parts.append(
            Markup(
                '<path d="{d}" stroke="{c}" stroke-width="{w}" stroke-linecap="round" opacity="{o}"/>'
            ).format(d=dots, c=colour, w=size if isinstance(size, int | float) else 5, o=opacity)
        )
    return Markup("").join(parts)


def _colour(colour: Any) -> str:
    """A colour that SVG knows; grey where each point has its own."""
    return str(escape(colour)) if isinstance(colour, str) else "#868d97"
