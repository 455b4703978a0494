"""The numbers of the timeline: each worker's trials in search time, and how busy the workers were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reports.analysis.once import once_per_sweep
from reports.analysis.ranking import trained
from reports.figures.search_clock import SearchClock
from reports.figures.worker_spans import lanes_of, worker_spans
from search.records.sweep import State, Sweep


class Start(NamedTuple):
    """One start of the search, in search time."""

    number: int
    """Its session's number."""
    at: float
    """Seconds of search before it."""
    seconds: float
    """How long it ran."""
    workers: int
    """Maximum number of trials at once."""
    capacity: float
    """Seconds in which all its workers together could train."""
    startup: float
    """Seconds until its first epoch began; all of its seconds if none did."""
    pause: float
    """Seconds between the previous start and this one, which are not search time; 0 for the first."""


class TrialBar(NamedTuple):
    """A trial on one worker."""

    number: int
    """The trial's number."""
    state: State
    """The trial's state."""
    worker: str
    """ "host:pid"."""
    lane: int
    """Index in `Timeline.lanes`."""
    start: int
    """Number of the session."""
    begin: float
    """Seconds of search time."""
    end: float
    """Seconds of search time, at least `begin`."""
    first_epoch: int
    """First epoch trained there; 0 for none."""
    last_epoch: int
    """Last epoch trained there; 0 for none."""
    exact: bool
    """Whether its beginning is on record; otherwise it is estimated from its end and its epochs' seconds."""


class Gap(NamedTuple):
    """A time in which a worker had no trial, between two of its trials."""

    seconds: float
    begin: float
    """Seconds of search time."""
    worker: str
    """ "host:pid"."""
    after: int
    """Number of the trial before the gap."""
    before: int
    """Number of the trial after the gap."""


class Timeline(NamedTuple):
    """The workers' trials in search time."""

    lanes: tuple[str, ...]
    """ "host 1", "host 2", …, by host name. Workers of one host that did not run at the same time, as those
    of two starts, share a lane. Workers that never had a trial come last, as "unused"."""
    starts: tuple[Start, ...]
    bars: tuple[TrialBar, ...]
    """By trial number, then by time."""
    workers: int
    """Maximum number of trials at once in any start."""
    seconds: float
    """Search time."""
    trained: float
    """Seconds of all epochs on record, by the workers' own clocks."""
    occupied: float
    """Seconds in which workers had a trial, from its first epoch to its end, with checkpoints and reports."""
    utilisation: float
    """Share of the workers' time that they trained, 0..1."""
    idle: float
    """Share of the search time, 0..1, in which at least one worker had no trial."""
    startup: float
    """Seconds until the first epoch began, summed over all starts."""
    tail: float
    """Seconds between the time when the first worker ran out of trials and the end of the last start."""
    gap: Gap | None
    """The longest gap within a start; None if no worker had two trials."""
    unplaced: int
    """Trials without a worker on record, which are not drawn."""
    best: int | None
    """Number of the best trial; None if there is none."""


@once_per_sweep
def timeline(sweep: Sweep) -> Timeline | str:
    """Returns the numbers, or why there are none."""
    if not sweep.sessions:
        return "The search has not been started yet, so there is no timeline."
    clock = SearchClock(sweep)
    placed = [trial for trial in trained(sweep) if trial.placements or trial.worker is not None]
    spans = worker_spans(placed, clock)
    if not spans:
        return "No worker has reported on a trial yet, so there is no timeline."
    lane_of_worker = lanes_of(spans)
    lanes = sorted(set(lane_of_worker.values()))
    names = [f"{host} {number}" for host, number in lanes]
    bars = [
        TrialBar(
            number=span.trial.number,
            state=span.trial.state,
            worker=span.worker,
            lane=lanes.index(lane_of_worker[span.worker]),
            start=clock.sessions[span.start].number,
            begin=clock.at(span.begin, span.start),
            end=clock.at(span.end, span.start),
            first_epoch=span.first_epoch,
            last_epoch=span.last_epoch,
            exact=span.exact,
        )
        for span in spans
    ]
    starts = tuple(_starts(clock, bars))
    workers = max(start.workers for start in starts)
    names += ["unused"] * (workers - len(names))
    seconds = sum(start.seconds for start in starts)
    capacity = sum(start.capacity for start in starts)
    spent = sum(trial.seconds for trial in trained(sweep))
    best = sweep.best()
    return Timeline(
        lanes=tuple(names),
        starts=starts,
        bars=tuple(sorted(bars, key=lambda bar: (bar.number, bar.begin))),
        workers=workers,
        seconds=seconds,
        trained=spent,
        occupied=sum(bar.end - bar.begin for bar in bars),
        utilisation=min(1.0, spent / capacity) if capacity else 0.0,
        idle=sum(_idle(start, bars) for start in starts) / seconds if seconds else 0.0,
        startup=sum(start.startup for start in starts),
        tail=_tail(starts[-1], bars),
        gap=longest_gap(bars),
        unplaced=sum(trial.worker is None for trial in trained(sweep)),
        best=best.number if best else None,
    )


def _starts(clock: SearchClock, bars: Sequence[TrialBar]) -> Iterator[Start]:
    """All starts of the search, in order."""
    for index, session in enumerate(clock.sessions):
        at, seconds = clock.offsets[index], clock.offsets[index + 1] - clock.offsets[index]
        own = [bar for bar in bars if bar.start == session.number]
        pause = (clock.begins[index] - clock.ends[index - 1]).total_seconds() if index else 0.0
        recorded = session.environment.get("workers")
        first = recorded if isinstance(recorded, int) else max(1, _most_busy(own))
        sizes = [(0.0, first), *((min(since, seconds), size) for since, size in session.sizes)]
        until = [*(since for since, _ in sizes[1:]), seconds]
        yield Start(
            number=session.number,
            at=at,
            seconds=seconds,
            workers=max(size for _, size in sizes),
            capacity=sum(size * (to - since) for (since, size), to in zip(sizes, until, strict=True)),
            startup=min((bar.begin for bar in own), default=at + seconds) - at,
            pause=max(0.0, pause),
        )


def _most_busy(bars: Sequence[TrialBar]) -> int:
    """The maximum number of workers that had a trial at the same time."""
    return max((busy for _, _, busy in _busy(bars, 0.0, 0.0)), default=0)


def _busy(bars: Sequence[TrialBar], begin: float, end: float) -> Iterator[tuple[float, float, int]]:
    """(from, to, number of workers that had a trial), in order, at least from `begin` to `end`."""
    steps = sorted([(bar.begin, 1) for bar in bars] + [(bar.end, -1) for bar in bars])
    now, busy = begin, 0
    for at, step in steps:
        if at > now:
            yield now, at, busy
            now = at
        busy += step
    if end > now:
        yield now, end, busy


def _idle(start: Start, bars: Sequence[TrialBar]) -> float:
    """Seconds of a start in which at least one worker had no trial."""
    own = [bar for bar in bars if bar.start == start.number]
    spans = _busy(own, start.at, start.at + start.seconds)
    return sum(to - since for since, to, busy in spans if busy < start.workers)


def _tail(start: Start, bars: Sequence[TrialBar]) -> float:
    """Seconds between the time when the first worker ran out of trials and the end of the start."""
    last_ends: dict[str, float] = {}
    for bar in bars:
        if bar.start == start.number:
            last_ends[bar.worker] = max(last_ends.get(bar.worker, bar.end), bar.end)
    if not last_ends:
        return 0.0
    return start.at + start.seconds - min(last_ends.values())


def longest_gap(bars: Sequence[TrialBar]) -> Gap | None:
    """The longest gap between two trials of one worker in one start; None if no worker had two."""
    last: dict[tuple[str, int], TrialBar] = {}
    gaps = []
    for bar in sorted(bars, key=lambda bar: bar.begin):
        before = last.get((bar.worker, bar.start))
        if before is not None:
            gaps.append(Gap(bar.begin - before.end, before.end, bar.worker, before.number, bar.number))
        last[bar.worker, bar.start] = bar
    return max(gaps, key=lambda gap: (gap.seconds, -gap.begin), default=None)
