"""Search time: the time during which the search was running, without the pauses between its starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from search.records.sweep import Placement, Sweep, Trial
from trainable.epoch import Epoch


class SearchClock:
    """Converts wall-clock times to search time. A start is given by its index in `sessions`."""

    def __init__(self, sweep: Sweep) -> None:
        self.sessions = sweep.sessions
        self.begins = [session.started for session in sweep.sessions]
        # A start that was killed recorded its length some seconds before its end; trials may show more.
        self.ends = [session.started + timedelta(seconds=session.seconds) for session in sweep.sessions]
        for trial in sweep.trials:
            times = [time for time in (trial.started, trial.ended) if time is not None]
            for index, placement in enumerate(trial.placements):
                times.append(trained_until(placement, epochs_at(trial, trial.placements, index)))
            for time in times:
                if (start := self.start_of(time)) is not None:
                    self.ends[start] = max(self.ends[start], time)
        self.offsets = [0.0]
        """Seconds of search before each start, and after the last one."""
        for begin, end in zip(self.begins, self.ends, strict=True):
            self.offsets.append(self.offsets[-1] + (end - begin).total_seconds())

    def start_of(self, time: datetime) -> int | None:
        """The start that was running at this time, or the last one before it; None before the first."""
        return max((index for index, begin in enumerate(self.begins) if begin <= time), default=None)

    def within(self, time: datetime, start: int) -> datetime:
        """The time, clipped to the start's beginning and end."""
        return min(max(time, self.begins[start]), self.ends[start])

    def at(self, time: datetime, start: int) -> float:
        """Seconds of search time, at least 0."""
        return self.offsets[start] + (self.within(time, start) - self.begins[start]).total_seconds()


def epochs_at(trial: Trial, placements: Sequence[Placement], index: int) -> list[Epoch]:
    """The epochs that a trial trained at one of its placements."""
    last = placements[index + 1].epoch if index + 1 < len(placements) else math.inf
    return [epoch for epoch in trial.epochs if placements[index].epoch < epoch.number <= last]


def trained_until(placement: Placement, epochs: Sequence[Epoch]) -> datetime:
    """The end of a placement in which these epochs were trained without a break."""
    return placement.since + timedelta(seconds=sum(epoch.seconds for epoch in epochs))
