"""Whether the space was wide enough."""

from __future__ import annotations

import math
import shlex

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
"""Trials below which that share says nothing."""


def edges(sweep: Sweep) -> Finding:
    """Whether the best trials crowd an end of a range. An end at 0 is taken for a natural one."""
    name = "Ranges wide enough"
    best = best_trials(sweep)
    if len(best) < BEST:
        return unknown(name, f"Fewer than {BEST} trials are complete.")
    crowded = [found for scale in scales(sweep) if (found := _crowded(scale, best)) is not None]
    if not crowded:
        return passed(name, f"The best {BEST} trials crowd no end of a range.")
    told = listing(
        [f"{count} of them lie next to the {end} end of {scale.name}" for scale, end, count in crowded]
    )
    wider = " ".join(
        f"--set {shlex.quote(f'space.{scale.name}.{end}={_beyond(scale, end)}')}" for scale, end, _ in crowded
    )
    return warned(
        name,
        f"Of the best {BEST} trials {told}: better ones may lie beyond.",
        f"Widen the space: benchsweep extend {run_argument(sweep)} --trials 20 {wider}",
    )


def _crowded(scale: Scale, best: list[Trial]) -> tuple[Scale, str, int] | None:
    if scale.choices or scale.high <= scale.low:
        return None
    shares = [scale.share(trial.sampled[scale.name]) for trial in best if scale.name in trial.sampled]
    ends = {"low": sum(share < EDGE for share in shares), "high": sum(share > 1 - EDGE for share in shares)}
    for end, count in ends.items():
        natural = end == "low" and scale.starts_at_zero
        if count >= MOST_OF_BEST and not natural:
            return scale, end, count
    return None


def _beyond(scale: Scale, end: str) -> str:
    """An end further out: a third of the range more, on the range's own scale; whole where it is."""
    low, high = (math.log(scale.low), math.log(scale.high)) if scale.log else (scale.low, scale.high)
    moved = high + (high - low) / 3 if end == "high" else low - (high - low) / 3
    value = math.exp(moved) if scale.log else moved
    if scale.whole:
        return str(math.ceil(value) if end == "high" else math.floor(value))
    return f"{value:.2g}" if value > 0 or scale.low < 0 else "0"


def repeats(sweep: Sweep) -> Finding:
    """How many draws repeat a recipe."""
    name = "Recipes that are new"
    again = len(sweep.trials) - len(trained(sweep))
    told = f"{again} of {plural(len(sweep.trials), 'trial')} repeat a recipe that was trained before."
    if len(sweep.trials) < FEWEST:
        return unknown(name, f"Fewer than {FEWEST} trials were drawn.")
    if again <= TOO_MANY * len(sweep.trials):
        return passed(name, told if again else "Every trial has a recipe of its own.")
    return warned(name, told, "The space is nearly used up: widen it, or spend the budget on more epochs.")
