"""Whether the trials were sound: they come to an end, are not stopped too early, and keep workers busy."""

from __future__ import annotations

import numpy as np

from reports.analysis.ranking import trained
from reports.analysis.scale import scales
from reports.figures.pruning import pruning
from reports.figures.timeline import timeline
from reports.formatting.wording import duration, plural, setting, whole_percent
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep, Trial

TOO_MANY = 0.1
"""Share of trials that may fail or diverge."""

BUSY = 0.6
"""Share of the search's time in which its workers should train."""

SHORT = 60.0
"""Seconds of search below which that share says nothing."""


def broken(sweep: Sweep) -> Finding:
    """How many trials failed or diverged, and which setting they have in common."""
    name = "Trials that come to an end"
    own = trained(sweep)
    bad = [trial for trial in own if trial.state in (State.DIVERGED, State.FAILED)]
    share = len(bad) / len(own)
    diverged = sum(trial.state is State.DIVERGED for trial in bad)
    told = (
        f"{diverged} of {plural(len(own), 'trial')} diverged and {len(bad) - diverged} failed "
        f"({whole_percent(share)})."
        if bad
        else f"None of {plural(len(own), 'trial')} failed or diverged."
    )
    if share <= TOO_MANY:
        return passed(name, told)
    common = _in_common(sweep, bad, [trial for trial in own if trial.state in (State.COMPLETE, State.PRUNED)])
    advice = f"They have {common}: narrow that range." if common else "See their causes under Failures."
    return warned(name, told, advice)


def _in_common(sweep: Sweep, bad: list[Trial], good: list[Trial]) -> str:
    """The setting whose values tell the bad ones apart best, as "learning_rate above 0.03"; "" where none
    does: seven of eight pairs of a good and a bad one must be in order."""
    best, words = 0.875, ""
    for scale in scales(sweep):
        if scale.choices:
            continue
        ours, others = (
            np.array(
                [scale.position(trial.sampled[scale.name]) for trial in some if scale.name in trial.sampled]
            )
            for some in (bad, good)
        )
        if len(ours) < 2 or len(others) < 2:
            continue
        above = float(np.mean(ours[:, None] > others[None, :]))
        side = max(above, 1 - above)
        if side > best:
            best = side
            words = f"{scale.name} {'above' if above > 0.5 else 'below'} {setting(float(np.median(others)))}"
    return words


def pruned_too_early(sweep: Sweep) -> Finding:
    """Whether trials are stopped where scores do not foretell the final ones."""
    name = "Pruned not too early"
    told = pruning(sweep)
    if isinstance(told, str):
        return unknown(name, told)
    first = told.first
    if not told.pruned:
        return passed(name, "No trial was stopped early.")
    if told.too_early is None or first is None or first.correlation is None:
        return unknown(name, "Too few complete trials to tell whether early scores foretell late ones.")
    seen = (
        f"Scores after epoch {first.epoch}, where the first are stopped, order trials as their final ones do "
    )
    seen += f"with a rank correlation of {first.correlation.value:.2f} "
    seen += f"({first.correlation.low:.2f} to {first.correlation.high:.2f})."
    if not told.too_early:
        return passed(name, seen)
    return warned(name, seen, "Stop later: raise min_resource in [pruner].")


def busy_workers(sweep: Sweep) -> Finding:
    """Whether the workers trained for most of the search's time."""
    name = "Workers kept busy"
    told = timeline(sweep)
    if isinstance(told, str):
        return unknown(name, told)
    seen = f"{plural(told.workers, 'worker')} trained {whole_percent(told.utilisation)} of the search's time"
    if told.seconds < SHORT:
        return unknown(name, f"{seen}; a search this short is mostly start and end.")
    if told.utilisation >= BUSY:
        return passed(name, f"{seen}.")
    return warned(
        name,
        f"{seen}; starting took {duration(told.startup)}, the idle end {duration(told.tail)}.",
        "See the timeline: trials that are too short for their overhead gain by more epochs, few long ones "
        "by more trials at once.",
    )
