"""Drawings as static SVG: where their points lie, what is left out, and that text stays text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import plotly.graph_objects as go
import pytest

from reports.page.static_drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, static_drawing


def svg_of(figure: go.Figure, label: str = "curves") -> ElementTree.Element:
    drawn = static_drawing(figure, label)
    assert drawn is not None
    return ElementTree.fromstring(str(drawn))


def line(figure: go.Figure) -> list[tuple[float, float]]:
    """The points of the first path."""
    path = svg_of(figure).find("path")
    assert path is not None
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])]


def test_the_ends_of_an_axis_are_the_ends_of_the_area() -> None:
    figure = go.Figure(go.Scatter(x=[0, 5, 10], y=[1, 2, 3], mode="lines"))
    figure.update_layout(xaxis={"range": [0, 10]}, yaxis={"range": [1, 3]})
    points = line(figure)
    assert points[0] == (LEFT, HEIGHT - BOTTOM)
    assert points[1] == ((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2)
    assert points[2] == (WIDTH - RIGHT, TOP)


def test_the_range_of_a_logarithmic_axis_is_of_its_logarithms() -> None:
    figure = go.Figure(go.Scatter(x=[1, 10, 100], y=[0, 1, 2], mode="lines"))
    figure.update_layout(xaxis={"type": "log", "range": [0, 2]}, yaxis={"range": [0, 2]})
    assert line(figure)[1][0] == (LEFT + WIDTH - RIGHT) / 2


def test_a_gap_ends_a_line_and_points_outside_are_left_out() -> None:
    figure = go.Figure(go.Scatter(x=[0, 1, None, 2, 3], y=[0, 1, None, 1, 90], mode="lines"))
    figure.update_layout(xaxis={"range": [0, 3]}, yaxis={"range": [0, 1]})
    path = svg_of(figure).find("path")
    assert path is not None
    assert path.attrib["d"].count("M") == 2
    assert path.attrib["d"].count("L") == 1


def test_shares_are_labelled_in_percent() -> None:
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0.9, 1.0]))
    figure.update_layout(yaxis={"tickformat": ".2~%"})
    assert "96 %" in "".join(svg_of(figure).itertext())


@pytest.mark.parametrize(
    "figure",
    [
        go.Figure(),
        go.Figure(go.Heatmap(z=[[1, 2], [3, 4]])),
        go.Figure(go.Scatter(x=["a", "b"], y=[1, 2])),
        go.Figure([go.Scatter(x=[1], y=[1]), go.Bar(x=[1], y=[1])]),
    ],
    ids=["empty", "a matrix", "words", "bars"],
)
def test_other_drawings_have_none(figure: go.Figure) -> None:
    assert static_drawing(figure, "x") is None


def test_text_stays_text() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2]))
    figure.update_layout(xaxis={"title": {"text": "&lt;img src=x&gt; rate"}})
    drawn = svg_of(figure, 'a" onload="x')
    assert "<img src=x> rate" in "".join(drawn.itertext())
    assert drawn.attrib["aria-label"] == 'a" onload="x'
    assert "onload" not in drawn.attrib


def test_a_single_point_is_drawn() -> None:
    assert svg_of(go.Figure(go.Scatter(x=[3], y=[3], mode="markers"))).find("path") is not None
