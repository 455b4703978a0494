"""Whether the trials ended well, were not pruned too early, and kept the workers busy."""

from __future__ import annotations

import numpy as np

from reports.analysis.ranking import trained
from reports.analysis.scale import Scale, scales
from reports.figures.pruning_numbers import pruning
from reports.figures.timeline_numbers import timeline
from reports.formatting.wording import duration, plural, setting, whole_percent
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
    cause = _common_cause(sweep, bad, good)
    advice = f"They have {cause}: narrow that range." if cause else "See their causes under Failures."
    return warned(name, message, advice)


def _common_cause(sweep: Sweep, bad: list[Trial], good: list[Trial]) -> str:
    """The hyperparameter that separates the bad trials from the good ones best, as "learning_rate above
    0.03"; "" if none separates them by more than `SEPARATION`."""
    best, cause = SEPARATION, ""
    for scale in scales(sweep):
        if scale.choices:
            continue
        of_bad, of_good = _positions(scale, bad), _positions(scale, good)
        if len(of_bad) < 2 or len(of_good) < 2:
            continue
        above = float(np.mean(of_bad[:, None] > of_good[None, :]))
        separation = max(above, 1 - above)
        if separation > best:
            best = separation
            side = "above" if above > 0.5 else "below"
            cause = f"{scale.name} {side} {setting(float(np.median(of_good)))}"
    return cause


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
        return passed(name, "No trial was pruned.")
    first = numbers.first_stop
    if numbers.too_early is None or first is None or first.correlation is None:
        return unknown(name, "Too few complete trials to say whether early scores predict final ones.")
    value, low, high, _ = first.correlation
    message = (
        f"Scores after epoch {first.epoch}, where the first trials are pruned, have a rank correlation of "
        f"{value:.2f} ({low:.2f} to {high:.2f}) with the final ones."
    )
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
