"""Positions of accuracies and their intervals on a bar, spaced so that the top of the table is legible."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

TICKS = (50.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98)
"""Accuracies that may be labelled, in percent."""


class AccuracyBar(NamedTuple):
    """An accuracy's positions in percent of the bar's width, 0..100."""

    at: float
    """Of the accuracy itself."""
    low: float | None
    """Of the interval's low end; None without an interval."""
    high: float | None
    """Of the interval's high end; None without an interval."""


class LeaderboardBars(NamedTuple):
    """The bars of a leaderboard."""

    rows: tuple[AccuracyBar, ...]
    """One per row."""
    ticks: tuple[tuple[float, str], ...]
    """The scale's (position, label) pairs."""
    ours: AccuracyBar | None
    """Our row's bar; None if there is none."""


def leaderboard_bars(leaderboard: pd.DataFrame) -> LeaderboardBars:
    """The bars of a `reports.analysis.ranking.leaderboard`.

    Accuracies are spaced by the logarithm of their error: halving the error is the same step
    everywhere, from 88 to 94 % as from 99.8 to 99.9 %.
    """
    shown = leaderboard[["test_accuracy_percent", "low", "high"]].to_numpy(dtype="float64")
    errors = [100 - value for value in shown.ravel() if value == value]
    if not errors:
        return LeaderboardBars((), (), None)
    least = min((error for error in errors if error > 0), default=1.0) / 1.4
    most = max(max(errors) * 1.25, 2 * least)

    def position(accuracy: float) -> float:
        error = min(most, max(least, 100 - accuracy))
        return round(100 * math.log(most / error) / math.log(most / least), 2)

    rows = [
        AccuracyBar(position(accuracy), *(position(end) if end == end else None for end in ends))
        for accuracy, *ends in shown
    ]
    ticks = [(position(tick), f"{tick:g}") for tick in TICKS if least <= 100 - tick <= most]
    ours = next((bar for bar in rows if bar.low is not None), None)
    return LeaderboardBars(tuple(rows), tuple(_without_crowding(ticks)), ours)


def _without_crowding(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The ticks without those whose label would overlap the previous one's or leave the bar."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if tick[0] <= 95 and (not kept or tick[0] - kept[-1][0] >= 12):
            kept.append(tick)
    return kept
