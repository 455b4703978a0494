"""Whether the trials ended well, were not pruned too early, and kept the workers busy."""

from __future__ import annotations

import shlex
from typing import Literal, NamedTuple

import numpy as np

from reports.analysis.ranking import trained
from reports.analysis.scale import Scale, scales
from reports.analysis.verdict import run_argument
from reports.figures.pruning_numbers import WEAK, pruning
from reports.figures.timeline_numbers import timeline
from reports.formatting.wording import duration, plural, whole_percent
from reports.statistics.arrays import Floats
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep, Trial

TOO_MANY = 0.1
"""Share of trials that may fail or diverge."""

BUSY = 0.6
"""Share of the search's time in which its workers should train."""

SHORT = 60.0
"""Seconds of search below which that share means nothing."""

SEPARATION = 0.875
"""Share of (failed, good) pairs of trials that a hyperparameter must order to be named as a common cause."""


def broken(sweep: Sweep) -> Finding:
    """How many trials failed or diverged, and which hyperparameter they have in common."""
    name = "Few failed trials"
    own = trained(sweep)
    bad = [trial for trial in own if trial.state in (State.DIVERGED, State.FAILED)]
    share = len(bad) / len(own)
    diverged = sum(trial.state is State.DIVERGED for trial in bad)
    message = (
        f"{diverged} of {plural(len(own), 'trial')} diverged and {len(bad) - diverged} failed "
        f"({whole_percent(share)})."
        if bad
        else f"None of {plural(len(own), 'trial')} failed or diverged."
    )
    if share <= TOO_MANY:
        return passed(name, message)
    good = [trial for trial in own if trial.state in (State.COMPLETE, State.PRUNED)]
    return warned(name, message, _advice(sweep, bad, good))


class CommonCause(NamedTuple):
    """A numeric hyperparameter that separates the bad trials from the good ones."""

    scale: Scale
    """The hyperparameter's."""
    side: Literal["low", "high"]
    """The end of the range next to which the bad trials lie."""
    good: float
    """The good trials' value closest to that end."""
    beyond: tuple[float, ...]
    """The bad trials' values that are closer to it, ascending: a range that ends between excludes them and
    keeps every good trial."""


def _advice(sweep: Sweep, bad: list[Trial], good: list[Trial]) -> str:
    """What to do about the bad trials: a narrower range, if one excludes most of them and no good trial."""
    look = "See their causes under Failures."
    cause = _common_cause(sweep, bad, good)
    if cause is None:
        return look
    scale, high = cause.scale, cause.side == "high"
    if 2 * len(cause.beyond) <= len(bad):
        more = "larger" if high else "smaller"
        return (
            f"They have {more} values of {scale.name}, but trials ended well among them, so no narrower "
            f"range excludes the failures alone. {look}"
        )
    first = cause.beyond[0] if high else cause.beyond[-1]
    bound = f"at {scale.name} = {scale.text(first)}" + ("" if high else " and below")
    kept = f"{'at most' if high else 'at least'} {scale.text(cause.good)}"
    counted = f"{len(cause.beyond)} of the {len(bad)} lie there"
    end = scale.end_between(cause.good, first)
    if float(end) == (scale.low if high else scale.high):
        return (
            f"Failures begin {bound} ({counted}); every trial that ended well has {scale.text(cause.good)}."
        )
    narrower = shlex.quote(f"space.{scale.name}.{cause.side}={end}")
    return (
        f"Failures begin {bound} ({counted}); every trial that ended well has {kept}. Narrow the search "
        f"space: benchsweep extend {run_argument(sweep)} --trials 20 --set {narrower}"
    )


def _common_cause(sweep: Sweep, bad: list[Trial], good: list[Trial]) -> CommonCause | None:
    """The hyperparameter that separates the bad trials from the good ones, with the most bad trials beyond
    the good ones; None if none separates them by more than `SEPARATION`."""
    causes: list[tuple[int, float, CommonCause]] = []
    for scale in scales(sweep):
        if scale.choices:
            continue
        of_bad, of_good = _positions(scale, bad), _positions(scale, good)
        if len(of_bad) < 2 or len(of_good) < 2:
            continue
        pairs = of_bad[:, None] - of_good[None, :]
        above = float(np.mean(pairs > 0) + 0.5 * np.mean(pairs == 0))
        separation = max(above, 1 - above)
        if separation <= SEPARATION:
            continue
        side: Literal["low", "high"] = "high" if above > 0.5 else "low"
        closest = float(of_good.max() if side == "high" else of_good.min())
        beyond = np.sort(of_bad[of_bad > closest] if side == "high" else of_bad[of_bad < closest])
        causes.append((len(beyond), separation, CommonCause(scale, side, closest, tuple(beyond.tolist()))))
    return max(causes, key=lambda cause: cause[:2])[2] if causes else None


def _positions(scale: Scale, trials: list[Trial]) -> Floats:
    values = [trial.sampled[scale.name] for trial in trials if scale.name in trial.sampled]
    return np.array([scale.position(value) for value in values], dtype=np.float64)


def pruned_too_early(sweep: Sweep) -> Finding:
    """Whether trials are pruned before their scores predict the final ones."""
    name = "Pruning not too early"
    numbers = pruning(sweep)
    if isinstance(numbers, str):
        return unknown(name, numbers)
    if not numbers.pruned:
        paused = f", and {plural(numbers.paused, 'trial is', 'trials are')} paused" if numbers.paused else ""
        return passed(name, f"No trial was pruned{paused}.")
    first = numbers.first_stop
    if first is None or first.correlation is None:
        return unknown(name, "Too few complete trials to say whether early scores predict final ones.")
    value, low, high, _ = first.correlation
    message = (
        f"Scores after epoch {first.epoch}, where the first trials are pruned, have a rank correlation of "
        f"{value:.2f} ({low:.2f} to {high:.2f}) with the final ones."
    )
    if numbers.too_early is None:
        return unknown(name, f"{message} Too few trials are complete to say whether that is below {WEAK:g}.")
    if not numbers.too_early:
        return passed(name, message)
    return warned(name, message, "Prune later: raise min_resource in [pruner].")


def busy_workers(sweep: Sweep) -> Finding:
    """Whether the workers trained for most of the search's time."""
    name = "Workers busy"
    numbers = timeline(sweep)
    if isinstance(numbers, str):
        return unknown(name, numbers)
    workers = plural(numbers.workers, "worker")
    message = f"{workers} trained {whole_percent(numbers.utilisation)} of the search's time"
    if numbers.seconds < SHORT:
        return unknown(name, f"{message}; such a short search is mostly start-up and shutdown.")
    if numbers.utilisation >= BUSY:
        return passed(name, f"{message}.")
    return warned(
        name,
        f"{message}; start-up took {duration(numbers.startup)}, the idle end {duration(numbers.tail)}.",
        "See the timeline: if trials are short compared with their overhead, train more epochs; if they are "
        "few and long, run more of them at once.",
    )
