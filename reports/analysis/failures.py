"""The trials that failed or diverged, grouped by cause."""

from __future__ import annotations

from typing import NamedTuple

from reports.analysis.ranking import trained
from reports.formatting.wording import plural
from search.records.error_kind import kind_of_error
from search.records.sweep import State, Sweep, Trial


class Failure(NamedTuple):
    """One cause and its trials."""

    state: State
    """FAILED, DIVERGED, or another state with an error on record."""
    error: str
    """The recorded error of the first of the trials; "no reason on record" if there is none."""
    trials: tuple[int, ...]
    """Their numbers, ascending."""
    messages: int
    """Number of different errors among them: they differ only in values (see `kind_of_error`)."""

    @property
    def text(self) -> str:
        """The error; that it is an example, if the trials' errors differ in their values."""
        if self.messages == 1:
            return self.error
        return f"{self.error} (trial {self.trials[0]}; the others differ in their values)"


def failures(sweep: Sweep) -> list[Failure]:
    """Every cause, the most frequent first. Trials that reused another trial's result do not count."""
    by_kind: dict[tuple[State, str], list[Trial]] = {}
    for trial in trained(sweep):
        if trial.state in (State.FAILED, State.DIVERGED) or trial.error:
            by_kind.setdefault((trial.state, kind_of_error(_error(trial))), []).append(trial)
    causes = [
        Failure(
            state,
            _error(trials[0]),
            tuple(trial.number for trial in trials),
            len({_error(trial) for trial in trials}),
        )
        for (state, _), trials in by_kind.items()
    ]
    return sorted(causes, key=lambda failure: (-len(failure.trials), failure.trials))


def _error(trial: Trial) -> str:
    return trial.error or "no reason on record"


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
