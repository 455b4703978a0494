"""Trials that all fail for one cause, which is in the code rather than in their recipes."""

from __future__ import annotations

from search.records.error_kind import kind_of_error
from search.records.trial import State
from trainable.errors import BenchsweepError

LIMIT = 5
"""Number of first trials that must all have failed before the search is given up."""


class EveryTrialFailed(BenchsweepError, RuntimeError):
    """The first trials of a start all failed for one cause."""


class FirstFailures:
    """Counts the first trials of a start that failed, until one does not."""

    def __init__(self, run: str) -> None:
        """run: how a command refers to it."""
        self._run = run
        self._numbers: list[int] | None = []
        self._kind = ""

    def ended(self, number: int, state: State, error: str | None) -> None:
        """Take in the end of a trial. Raises EveryTrialFailed."""
        if self._numbers is None:
            return
        cause = (error or "").strip()
        kind = kind_of_error(cause)
        if state is not State.FAILED or (self._numbers and kind != self._kind):
            self._numbers = None
            return
        self._numbers.append(number)
        self._kind = kind
        if len(self._numbers) == LIMIT:
            raise EveryTrialFailed(
                f"at least one of the first {LIMIT} trials must train, but all failed for one cause: {cause}",
                f"see where with `benchsweep show {self._run} {number}`, mend it, and go on with "
                f"`benchsweep resume {self._run} --failed`, which trains them again",
            )
