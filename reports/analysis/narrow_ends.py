"""Ends of the searched ranges beyond which better values may lie, by one rule for the whole page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reports.analysis.best_trials import BEST, MOST_OF_BEST, best_trials
from reports.analysis.scale import Scale, scales
from reports.formatting.wording import listing
from search.records.sweep import Sweep, Trial

EDGE = 0.1
"""Share of a range, next to one of its ends."""


class NarrowEnd(NamedTuple):
    """An end of a range next to which the best trials cluster."""

    scale: Scale
    """The range."""
    end: Literal["low", "high"]
    """Which end."""
    trials: int
    """How many of the best trials lie there."""


def narrow_ends(sweep: Sweep) -> tuple[NarrowEnd, ...] | None:
    """The ends next to which most of the best trials lie; None if fewer than `BEST` trials are complete. An
    end at 0, or at 1 for integers, is assumed to be a limit."""
    best = best_trials(sweep)
    if len(best) < BEST:
        return None
    return tuple(end for scale in scales(sweep) if (end := _narrow_end(scale, best)) is not None)


def where(narrow: Sequence[NarrowEnd]) -> str:
    """ "Of the best 5 trials, 4 lie next to the high end of learning_rate"."""
    return f"Of the best {BEST} trials, " + listing(
        [f"{count} lie next to the {end} end of {scale.name}" for scale, end, count in narrow]
    )


def _narrow_end(scale: Scale, best: list[Trial]) -> NarrowEnd | None:
    if scale.choices or scale.high <= scale.low:
        return None
    shares = [scale.share(trial.sampled[scale.name]) for trial in best if scale.name in trial.sampled]
    low, high = sum(share < EDGE for share in shares), sum(share > 1 - EDGE for share in shares)
    if low >= MOST_OF_BEST and not scale.has_natural_low:
        return NarrowEnd(scale, "low", low)
    return NarrowEnd(scale, "high", high) if high >= MOST_OF_BEST else None
