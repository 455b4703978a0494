"""Health checks: whether the search was one to learn from, and what to do where it was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reports.analysis.once import once_per_sweep
from reports.formatting.wording import plural
from reports.health.budget import still_improving, still_learning
from reports.health.luck import better_than_random, beyond_noise, sealed_test_set, stable_importances
from reports.health.space import edges, repeats
from reports.health.trials import broken, busy_workers, pruned_too_early
from search.doctor.finding import CheckStatus, Finding
from search.records.sweep import Sweep

CHECKS: Mapping[str, Callable[[Sweep], Finding]] = {
    "noise": beyond_noise,
    "random": better_than_random,
    "trials": still_improving,
    "epochs": still_learning,
    "edges": edges,
    "broken": broken,
    "repeats": repeats,
    "pruning": pruned_too_early,
    "workers": busy_workers,
    "importances": stable_importances,
    "test": sealed_test_set,
}
"""Every check, by its key in results.json."""


@once_per_sweep
def health(sweep: Sweep) -> Mapping[str, Finding]:
    """What every check found, the warnings first; nothing before the first trial was trained."""
    if not any(trial.epochs for trial in sweep.trials):
        return {}
    found = {key: check(sweep) for key, check in CHECKS.items()}
    order = (CheckStatus.WARN, CheckStatus.UNKNOWN, CheckStatus.PASS)
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[1].verdict)))


def health_sentence(found: Mapping[str, Finding]) -> str:
    """How many passed."""
    if not found:
        return "No trial has been trained yet, so there is nothing to check."
    verdicts = [each.verdict for each in found.values()]
    unknown = verdicts.count(CheckStatus.UNKNOWN)
    known = len(verdicts) - unknown
    if not known:
        return "No check can be made yet."
    rest = f"; {plural(unknown, 'other')} cannot be told yet" if unknown else ""
    return f"{verdicts.count(CheckStatus.PASS)} of {plural(known, 'check')} passed{rest}."
