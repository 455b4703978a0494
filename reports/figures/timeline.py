"""Timeline: which worker trained which trial and when, and for how much of their time the workers trained."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from reports.figures.figure import Figure
from reports.figures.style import AMBER, COLOUR, GREY, OF_TRIALS, drawing, plain
from reports.figures.timeline_numbers import Timeline, TrialBar, longest_gap, timeline
from reports.formatting.wording import NOTHING, capitalized, duration, plural, whole_percent
from search.records.sweep import State, Sweep

HAIR = 1 / 900
"""Share of the search time left free after a bar, so that two trials of one colour do not look like one."""

UNITS = (("h", 3600.0, 3 * 3600.0), ("min", 60.0, 3 * 60.0), ("s", 1.0, 0.0))
"""Units of the time axis: name, seconds, and the minimum search time in seconds for which it is used."""

MOST_LABELS = 24
"""Maximum number of lanes that each have a label."""


def sentence(numbers: Timeline) -> str:
    """For how much of their time the workers trained, and what took the rest."""
    starts = len(numbers.starts)
    pauses = f" (without the pauses between its {starts} starts)" if starts > 1 else ""
    text = (
        f"{plural(numbers.workers, 'worker')} trained for {whole_percent(numbers.utilisation)} of the "
        f"{duration(numbers.seconds)} of search{pauses}; {duration(numbers.startup)} passed before the "
        f"first epoch{'s' * (starts > 1)}"
    )
    if numbers.workers > 1:
        text += (
            f", and for the last {duration(numbers.tail)} a worker had run out of trials. At least one "
            f"worker had no trial for {whole_percent(numbers.idle)} of the time"
        )
    if numbers.gap is not None and numbers.gap.seconds >= 0.05:
        text += f"; the longest gap between two trials of a worker was {duration(numbers.gap.seconds)}"
    notes = []
    if estimated := sum(not bar.exact for bar in numbers.bars):
        notes.append(f"the beginning of {plural(estimated, 'bar')} is estimated")
    if numbers.unplaced:
        notes.append(f"{plural(numbers.unplaced, 'trial has', 'trials have')} no worker on record")
    return f"{text}. {capitalized(', '.join(notes))}." if notes else f"{text}."


def draw(numbers: Timeline) -> go.Figure:
    """One lane per worker, one bar per trial; start-up is shaded, pauses are lines."""
    unit, size = next((name, size) for name, size, since in UNITS if numbers.seconds >= since)
    traces: list[Any] = [
        _bars(numbers, state, size) for state in State if any(bar.state is state for bar in numbers.bars)
    ]
    traces += _pauses(numbers, size)
    traces += _stars(numbers, size)
    lanes = len(numbers.lanes)
    return drawing(
        traces,
        height=150 + max(12, min(30, 600 // lanes)) * lanes,
        barmode="overlay",
        xaxis={
            "title": {"text": f"search time ({unit})"},
            "range": [0, numbers.seconds / size or 1],
            "tickformat": ",~g",
        },
        yaxis={
            "tickvals": [lane for lane, _ in _labels(numbers)],
            "ticktext": [plain(name, 14) for _, name in _labels(numbers)],
            "range": [lanes - 0.4, -0.6],
            "showgrid": False,
        },
        shapes=[
            {
                "type": "rect",
                "x0": start.at / size,
                "x1": (start.at + start.startup) / size,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"width": 0},
                "fillcolor": "rgba(128,136,148,0.14)",
                "layer": "below",
            }
            for start in numbers.starts
        ],
    )


def _labels(numbers: Timeline) -> list[tuple[int, str]]:
    """(lane, label) of every lane; if there are too many, of the first lane of each host."""
    labels = list(enumerate(numbers.lanes))
    if len(labels) <= MOST_LABELS:
        return labels
    first_lanes: dict[str, int] = {}
    for lane, name in labels:
        first_lanes.setdefault(name.rpartition(" ")[0] or name, lane)
    return [(lane, host) for host, lane in first_lanes.items()]


def _bars(numbers: Timeline, state: State, size: float) -> go.Bar:
    bars = [bar for bar in numbers.bars if bar.state is state]
    hair = numbers.seconds * HAIR
    return go.Bar(
        base=[bar.begin / size for bar in bars],
        x=[(length - min(hair, length / 4)) / size for length in (bar.end - bar.begin for bar in bars)],
        y=[bar.lane for bar in bars],
        customdata=[_hover(bar) for bar in bars],
        orientation="h",
        width=0.72,
        marker={"color": COLOUR[state], "line": {"width": 0}},
        name=state.lower(),
        meta=OF_TRIALS,
        hovertemplate="trial %{customdata[0]} on %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )


def _hover(bar: TrialBar) -> list[str]:
    if bar.last_epoch > bar.first_epoch:
        epochs = f"epochs {bar.first_epoch} to {bar.last_epoch}"
    else:
        epochs = f"epoch {bar.first_epoch}" if bar.last_epoch else "no epoch"
    text = f"{epochs}, {duration(bar.end - bar.begin)}, after {duration(bar.begin)}"
    return [str(bar.number), plain(bar.worker, 30), text]


def _pauses(numbers: Timeline, size: float) -> list[go.Scatter]:
    """A line at each pause between two starts."""
    later = numbers.starts[1:]
    if not later:
        return []
    ends = -0.55, len(numbers.lanes) - 0.45
    return [
        go.Scatter(
            x=[x for start in later for x in (start.at / size, start.at / size, None)],
            y=[y for _ in later for y in (*ends, None)],
            customdata=[
                text
                for start in later
                for text in [f"start {start.number}, after a pause of {duration(start.pause)}"] * 2 + [""]
            ],
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": "dot"},
            name="pause",
            hovertemplate="%{customdata}<extra></extra>",
        )
    ]


def _stars(numbers: Timeline, size: float) -> list[go.Scatter]:
    """A star on the best trial's longest bar."""
    own = [bar for bar in numbers.bars if bar.number == numbers.best]
    if not own:
        return []
    bar = max(own, key=lambda bar: bar.end - bar.begin)
    return [
        go.Scatter(
            x=[(bar.begin + bar.end) / 2 / size],
            y=[bar.lane],
            mode="markers",
            marker={"color": AMBER, "symbol": "star", "size": 14, "line": {"color": "#ffffff", "width": 1}},
            name="best",
            hoverinfo="skip",
        )
    ]


def table(numbers: Timeline) -> pd.DataFrame:
    """One row per lane: its trials, the time they took, and its longest gap."""
    rows = []
    for index, lane in enumerate(numbers.lanes):
        bars = [bar for bar in numbers.bars if bar.lane == index]
        gap = longest_gap(bars)
        spent = sum(bar.end - bar.begin for bar in bars)
        rows.append(
            {
                "worker": lane,
                "processes": len({bar.worker for bar in bars}),
                "trials": len({bar.number for bar in bars}),
                "with a trial": duration(spent) if bars else NOTHING,
                "of the search": whole_percent(spent / numbers.seconds) if numbers.seconds else NOTHING,
                "longest gap": NOTHING if gap is None else duration(gap.seconds),
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Timeline](
    key="timeline",
    title="Timeline of workers",
    numbers=timeline,
    sentence=sentence,
    draw=draw,
    table=table,
)
