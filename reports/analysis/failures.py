"""What went wrong, grouped by cause."""

from __future__ import annotations

from typing import NamedTuple

from reports.analysis.ranking import trained
from reports.formatting.wording import plural
from search.records.sweep import State, Sweep


class Failure(NamedTuple):
    """One cause: the state it led to, the sentence on record, and the trials it met."""

    state: State
    error: str
    trials: tuple[int, ...]


def failures(sweep: Sweep) -> list[Failure]:
    """Every cause, the most frequent first. A trial that only repeats another one's recipe did not go
    wrong a second time."""
    met: dict[tuple[State, str], list[int]] = {}
    for trial in trained(sweep):
        if trial.state in (State.FAILED, State.DIVERGED) or trial.error:
            met.setdefault((trial.state, trial.error or "no reason on record"), []).append(trial.number)
    found = [Failure(state, error, tuple(trials)) for (state, error), trials in met.items()]
    return sorted(found, key=lambda failure: (-len(failure.trials), failure.trials))


def failures_sentence(sweep: Sweep) -> str:
    """How many trials went wrong and for how many causes."""
    causes = failures(sweep)
    if not causes:
        return "No trial failed or diverged."
    count = sum(len(cause.trials) for cause in causes)
    return (
        f"{plural(count, 'trial')} of {len(trained(sweep))} went wrong, for {plural(len(causes), 'cause')}; "
        f"the others were not affected."
    )
