"""The figures of the pages, in reading order. A new figure is a file here and a line in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.analysis.runs import ComparableRuns
from reports.figures import (
    ablation,
    calibration,
    classes,
    confirmation,
    confusion,
    contours,
    curves,
    edf,
    efficiency,
    gallery,
    history,
    importances,
    incumbents,
    parallel,
    pruning,
    ranks,
    schedules,
    scores,
    slices,
    timeline,
)
from reports.figures.figure import Figure
from search.records.sweep import Sweep

ABOVE_LEADERBOARD: Sequence[Figure[Sweep, Any]] = (confirmation.FIGURE,)
BELOW_LEADERBOARD: Sequence[Figure[Sweep, Any]] = (
    ablation.FIGURE,
    history.FIGURE,
    efficiency.FIGURE,
    curves.FIGURE,
    scores.FIGURE,
    importances.FIGURE,
    parallel.FIGURE,
    slices.FIGURE,
    contours.FIGURE,
    ranks.FIGURE,
    schedules.FIGURE,
    pruning.FIGURE,
    timeline.FIGURE,
    classes.FIGURE,
    confusion.FIGURE,
    gallery.FIGURE,
    calibration.FIGURE,
)
FIGURES = (*ABOVE_LEADERBOARD, *BELOW_LEADERBOARD)
"""All figures of the report."""

GROUP_FIGURES: Sequence[Figure[ComparableRuns, Any]] = (*incumbents.FIGURES, edf.FIGURE)
"""Of a comparison: each has a drawing for every group of runs with the same metric and data."""
