"""Whether the search space was wide enough."""

from __future__ import annotations

import shlex
from typing import Literal, NamedTuple

from reports.analysis.ranking import trained
from reports.analysis.scale import Scale, scales
from reports.analysis.verdict import run_argument
from reports.formatting.wording import listing, plural
from reports.health.best import BEST, MOST_OF_BEST, best_trials
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import Sweep, Trial

EDGE = 0.1
"""Share of a range, next to one of its ends."""

TOO_MANY = 0.1
"""Share of trials that may repeat a recipe."""

FEWEST = 10
"""Minimum number of trials for the check of repeated recipes."""


class NarrowEnd(NamedTuple):
    """An end of a range next to which the best trials cluster."""

    scale: Scale
    """The range."""
    end: Literal["low", "high"]
    """Which end."""
    trials: int
    """How many of the best trials lie there."""


def edges(sweep: Sweep) -> Finding:
    """Whether the best trials cluster next to an end of a range. An end at 0, or at 1 for integers,
    is assumed to be a limit."""
    name = "Search ranges wide enough"
    best = best_trials(sweep)
    if len(best) < BEST:
        return unknown(name, f"Fewer than {BEST} trials are complete.")
    narrow = [end for scale in scales(sweep) if (end := _narrow_end(scale, best)) is not None]
    if not narrow:
        return passed(name, "No search range looks too narrow.")
    where = listing([f"{count} lie next to the {end} end of {scale.name}" for scale, end, count in narrow])
    wider = " ".join(
        f"--set {shlex.quote(f'space.{scale.name}.{end}={scale.wider(end)}')}" for scale, end, _ in narrow
    )
    return warned(
        name,
        f"Of the best {BEST} trials, {where}: better ones may lie beyond.",
        f"Widen the search space: benchsweep extend {run_argument(sweep)} --trials 20 {wider}",
    )


def _narrow_end(scale: Scale, best: list[Trial]) -> NarrowEnd | None:
    if scale.choices or scale.high <= scale.low:
        return None
    shares = [scale.share(trial.sampled[scale.name]) for trial in best if scale.name in trial.sampled]
    low, high = sum(share < EDGE for share in shares), sum(share > 1 - EDGE for share in shares)
    if low >= MOST_OF_BEST and not scale.has_natural_low:
        return NarrowEnd(scale, "low", low)
    return NarrowEnd(scale, "high", high) if high >= MOST_OF_BEST else None


def repeats(sweep: Sweep) -> Finding:
    """How many trials repeat a recipe."""
    name = "Few repeated recipes"
    repeated = len(sweep.trials) - len(trained(sweep))
    message = f"{repeated} of {plural(len(sweep.trials), 'trial')} repeat a recipe that was trained before."
    if len(sweep.trials) < FEWEST:
        return unknown(name, f"There are fewer than {FEWEST} trials.")
    if repeated <= TOO_MANY * len(sweep.trials):
        return passed(name, message if repeated else "Every trial has a recipe of its own.")
    return warned(
        name,
        message,
        "The search space is nearly exhausted: widen it, or spend the budget on more epochs.",
    )
