"""Workers that hang or die: how often a trial may lose one before it is given up."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

_START_UP = 60.0
"""Seconds that a worker may take to import what it needs, and to wait for the trial's folder."""
_MACHINES = 10
"""How many more machines than workers a trial may lose before it is given up."""


@dataclass(frozen=True)
class WorkerDeath:
    """The end of a process that trained a trial, as the engine knows it."""

    cause: str
    """The reason, as a clause."""
    machine_lost: bool = False
    """Whether its machine was lost or is unreachable, which is not the trial's fault."""
    log: str = ""
    """All that the engine says about it, for the trial's error.txt."""


class LossCounter:
    """Counts the workers and machines that each trial has lost."""

    def __init__(self, max_failures: int) -> None:
        """max_failures: how many workers a trial may lose and still continue; at least 0."""
        self._max_failures = max_failures
        self._deaths: Counter[int] = Counter()
        self._machines: Counter[int] = Counter()

    def add(self, number: int, death: WorkerDeath) -> None:
        """Count a death of the worker of trial `number`."""
        (self._machines if death.machine_lost else self._deaths)[number] += 1

    def total(self, number: int) -> int:
        """How many workers of trial `number` died, for any reason."""
        return self._deaths[number] + self._machines[number]

    def exceeded(self, number: int) -> bool:
        """Whether trial `number` lost more than it may."""
        return (
            self._deaths[number] > self._max_failures
            or self._machines[number] > self._max_failures + _MACHINES
        )


class HangDetector:
    """Finds trials that have not reported for longer than `timeout` seconds; none if that is None."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._last_report: dict[int, float] = {}
        """Trial -> time of its last report, or at which it was first looked at."""
        self._started: set[int] = set()
        """Trials whose worker has reported at least once."""
        self._being_ended: set[int] = set()
        """Trials whose worker was killed just now."""
        self._hung_at: dict[int, int] = {}
        """Trial -> number of epochs after which it was last found hanging."""
        self._last_check: float | None = None

    def reported(self, number: int) -> None:
        """Record that a trial has just reported."""
        self._last_report[number] = time.monotonic()
        self._started.add(number)

    def hangs(self, number: int) -> bool:
        """Whether a trial in training is overdue, not counting what its worker takes to start."""
        if self.timeout is None or number in self._being_ended:
            return False
        now = time.monotonic()
        since = self._last_report.setdefault(number, now)
        return now - since > self.timeout + (0 if number in self._started else _START_UP)

    def end(self, number: int, epochs: int) -> bool:
        """Record that the worker of a hanging trial is being killed. Returns whether it is the second time
        after the same number of epochs, which is no coincidence."""
        repeated = self._hung_at.get(number) == epochs
        self._hung_at[number] = epochs
        self._being_ended.add(number)
        return repeated

    def worker_died(self, number: int) -> bool:
        """Forget the worker of a trial. Returns whether it was killed because it hung."""
        hung = number in self._being_ended
        self._being_ended.discard(number)
        self._started.discard(number)
        self._last_report.pop(number, None)
        return hung

    def allow_for_pause(self) -> None:
        """Give all trials the time for which this process itself stood still, as on a laptop that slept. Must
        be called more than once a second."""
        now = time.monotonic()
        missed = 0.0 if self._last_check is None else now - self._last_check
        if missed > 1:
            self._last_report = {number: since + missed for number, since in self._last_report.items()}
        self._last_check = now
