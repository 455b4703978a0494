"""Search time: the time during which the search was running, without the pauses between its starts."""

from __future__ import annotations

from datetime import datetime, timedelta

from search.records.sweep import Sweep, as_long_as_seen


class SearchClock:
    """Converts wall-clock times to search time. A start is given by its index in `sessions`."""

    def __init__(self, sweep: Sweep) -> None:
        self.sessions = as_long_as_seen(sweep.sessions, sweep.trials)
        self.begins = [session.started for session in self.sessions]
        self.ends = [session.started + timedelta(seconds=session.seconds) for session in self.sessions]
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
