"""Where an accuracy and its interval lie on a bar, spaced so that the top of the table stays legible."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

TICKS = (50.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98)


class Bar(NamedTuple):
    """Percent of the bar's width, 0..100. low, high: ends of the interval; None without one."""

    at: float
    low: float | None
    high: float | None


class Bars(NamedTuple):
    """One bar a row, the scale's ticks as (place, label), and our row's bar where there is one."""

    rows: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    ours: Bar | None


def bars(leaderboard: pd.DataFrame) -> Bars:
    """The bars of a `reports.analysis.ranking.leaderboard`.

    Accuracies are spaced by the logarithm of their error: halving the error is the same step
    everywhere, from 88 to 94 % as from 99.8 to 99.9 %.
    """
    shown = leaderboard[["test_accuracy_percent", "low", "high"]].to_numpy(dtype="float64")
    errors = [100 - value for value in shown.ravel() if value == value]
    if not errors:
        return Bars((), (), None)
    least = min((error for error in errors if error > 0), default=1.0) / 1.4
    most = max(max(errors) * 1.25, 2 * least)

    def place(accuracy: float) -> float:
        error = min(most, max(least, 100 - accuracy))
        return round(100 * math.log(most / error) / math.log(most / least), 2)

    rows = [Bar(place(at), *(place(end) if end == end else None for end in ends)) for at, *ends in shown]
    ticks = [(place(tick), f"{tick:g}") for tick in TICKS if least <= 100 - tick <= most]
    ours = next((bar for bar in rows if bar.low is not None), None)
    return Bars(tuple(rows), tuple(_apart(ticks)), ours)


def _apart(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The ticks with those left out that would stand too near the one before."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if tick[0] <= 95 and (not kept or tick[0] - kept[-1][0] >= 12):
            kept.append(tick)
    return kept
