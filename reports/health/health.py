"""Health checks: whether a search can be trusted, and what to do if not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reports.analysis.once import once_per_sweep
from reports.formatting.wording import plural
from reports.health.budget import not_past_best, still_improving, still_learning
from reports.health.constraints import kept
from reports.health.luck import better_than_random, beyond_noise, sealed_test_set, stable_importances
from reports.health.space import edges, repeats
from reports.health.trials import broken, busy_workers, pruned_too_early
from search.doctor.finding import CheckStatus, Finding
from search.records.sweep import State, Sweep

CHECKS: Mapping[str, Callable[[Sweep], Finding]] = {
    "noise": beyond_noise,
    "random": better_than_random,
    "trials": still_improving,
    "epochs": still_learning,
    "past_best": not_past_best,
    "edges": edges,
    "broken": broken,
    "repeats": repeats,
    "pruning": pruned_too_early,
    "workers": busy_workers,
    "importances": stable_importances,
    "test": sealed_test_set,
}
"""The checks of every run, by their keys in results.json. A plan that bounds a metric has one more."""


@once_per_sweep
def health(sweep: Sweep) -> Mapping[str, Finding]:
    """Every check's finding, warnings first; empty before any trial has trained an epoch or failed."""
    if not any(trial.epochs or trial.state in (State.FAILED, State.DIVERGED) for trial in sweep.trials):
        return {}
    findings = {key: check(sweep) for key, check in CHECKS.items()}
    if sweep.plan.constraints.bounds:
        findings["constraints"] = kept(sweep)
    order = (CheckStatus.WARN, CheckStatus.UNKNOWN, CheckStatus.PASS)
    return dict(sorted(findings.items(), key=lambda item: order.index(item[1].verdict)))


def health_sentence(findings: Mapping[str, Finding]) -> str:
    """How many checks passed."""
    if not findings:
        return "No trial has trained yet, so there is nothing to check."
    verdicts = [finding.verdict for finding in findings.values()]
    undecided = verdicts.count(CheckStatus.UNKNOWN)
    decided = len(verdicts) - undecided
    if not decided:
        return "There is not enough data for any check yet."
    rest = f"; not enough data yet for {plural(undecided, 'other')}" if undecided else ""
    return f"{verdicts.count(CheckStatus.PASS)} of {plural(decided, 'check')} passed{rest}."
