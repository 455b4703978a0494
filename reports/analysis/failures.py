"""The trials that failed or diverged, grouped by cause."""

from __future__ import annotations

from typing import NamedTuple

from reports.analysis.ranking import trained
from reports.formatting.wording import plural
from search.records.sweep import State, Sweep


class Failure(NamedTuple):
    """One cause and its trials."""

    state: State
    """FAILED, DIVERGED, or another state with an error on record."""
    error: str
    """The recorded error; "no reason on record" if there is none."""
    trials: tuple[int, ...]
    """Their numbers, ascending."""


def failures(sweep: Sweep) -> list[Failure]:
    """Every cause, the most frequent first. Trials that reused another trial's result do not count."""
    by_cause: dict[tuple[State, str], list[int]] = {}
    for trial in trained(sweep):
        if trial.state in (State.FAILED, State.DIVERGED) or trial.error:
            by_cause.setdefault((trial.state, trial.error or "no reason on record"), []).append(trial.number)
    causes = [Failure(state, error, tuple(trials)) for (state, error), trials in by_cause.items()]
    return sorted(causes, key=lambda failure: (-len(failure.trials), failure.trials))


def failures_sentence(sweep: Sweep) -> str:
    """How many trials failed or diverged, and for how many causes."""
    causes = failures(sweep)
    if not causes:
        return "No trial failed or diverged."
    count = sum(len(cause.trials) for cause in causes)
    return (
        f"{plural(count, 'trial')} of {len(trained(sweep))} went wrong, for {plural(len(causes), 'cause')}; "
        f"the others were not affected."
    )
