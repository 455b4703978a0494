"""Which worker had which trial, and when, reconstructed from the records of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from reports.figures.search_clock import SearchClock
from search.records.sweep import Placement, State, Trial
from search.records.trial import epochs_at, trained_until


class WorkerSpan(NamedTuple):
    """A trial on one worker, by the wall clock."""

    trial: Trial
    worker: str
    """ "host:pid"."""
    start: int
    """Index of the start among the sweep's sessions."""
    begin: datetime
    end: datetime
    first_epoch: int
    """First epoch trained there; 0 for none."""
    last_epoch: int
    """Last epoch trained there; 0 for none."""
    exact: bool
    """Whether its beginning is on record; otherwise it is estimated from its end and its epochs' seconds."""


def worker_spans(trials: Sequence[Trial], clock: SearchClock) -> list[WorkerSpan]:
    """The spans of these trials by time; those of one worker do not overlap."""
    spans = [span for trial in trials for span in _spans_of(trial, clock)]
    return _without_overlap(sorted(spans, key=lambda span: (span.begin, span.end)))


def _spans_of(trial: Trial, clock: SearchClock) -> Iterator[WorkerSpan]:
    """One span for each worker of the trial. If a worker recorded no end, as when it was killed, the end is
    estimated from its epochs' seconds; so is the beginning in runs that did not record it."""
    placements, exact = trial.placements, True
    # It left its worker when it was paused, long before it was pruned.
    paused = bool(trial.pauses) and trial.pauses[-1] == len(trial.epochs)
    if not placements:
        placements, exact = _estimated_placement(trial, clock), False
    for index, placement in enumerate(placements):
        start = next((k for k, s in enumerate(clock.sessions) if s.number == placement.session), None)
        if start is None:
            continue
        epochs = epochs_at(trial, placements, index)
        end, last = trained_until(placement, epochs), index == len(placements) - 1
        if last and trial.ended is not None and not paused and clock.start_of(trial.ended) == start:
            end = trial.ended
        elif last and trial.state is State.RUNNING and start == len(clock.sessions) - 1:
            end = clock.ends[start]
        begin = placement.since
        if not epochs and exact and trial.started is not None:
            begin = trial.started  # only its end is on record, not when the worker began
        first_epoch, last_epoch = (epochs[0].number, epochs[-1].number) if epochs else (0, 0)
        yield WorkerSpan(
            trial=trial,
            worker=placement.worker,
            start=start,
            begin=clock.within(begin, start),
            end=clock.within(max(begin, end), start),
            first_epoch=first_epoch,
            last_epoch=last_epoch,
            exact=exact and bool(epochs),
        )


def _estimated_placement(trial: Trial, clock: SearchClock) -> tuple[Placement, ...]:
    """The trial's last placement, estimated from its end, or its suggestion, and its epochs' seconds."""
    assert trial.worker is not None
    resumed_from = trial.resumed_from[-1] if trial.resumed_from else 0
    seconds = sum(epoch.seconds for epoch in trial.epochs if epoch.number > resumed_from)
    since = trial.started
    if trial.ended is not None and not trial.abandoned:
        since = max(trial.ended - timedelta(seconds=seconds), trial.started or trial.ended)
    if since is None or (start := clock.start_of(since)) is None:
        return ()
    session = clock.sessions[start].number if trial.session is None else trial.session
    return (Placement(trial.worker, session, resumed_from, since),)


def _without_overlap(spans: Sequence[WorkerSpan]) -> list[WorkerSpan]:
    """The spans, each beginning no earlier than the end of the worker's previous one: a worker trains one
    trial at a time, but its reports take a moment to arrive."""
    free_at: dict[str, datetime] = {}
    adjusted = []
    for span in spans:
        begin = max(span.begin, free_at.get(span.worker, span.begin))
        adjusted.append(span._replace(begin=begin, end=max(begin, span.end)))
        free_at[span.worker] = adjusted[-1].end
    return adjusted


def lanes_of(spans: Sequence[WorkerSpan]) -> dict[str, tuple[str, int]]:
    """The (host, number) of each worker's lane, numbered from 1: the first lane of its host whose workers had
    ended when the worker began."""
    lifetimes: dict[str, tuple[datetime, datetime]] = {}
    for span in spans:
        begin, end = lifetimes.get(span.worker, (span.begin, span.end))
        lifetimes[span.worker] = min(begin, span.begin), max(end, span.end)
    ends_by_host: dict[str, list[datetime]] = {}
    lanes = {}
    for worker, (begin, end) in sorted(lifetimes.items(), key=lambda life: (life[1], life[0])):
        host = host_of(worker)
        ends = ends_by_host.setdefault(host, [])
        lane = next((k for k, ended in enumerate(ends) if ended <= begin), len(ends))
        ends[lane : lane + 1] = [end]
        lanes[worker] = host, lane + 1
    return lanes


def host_of(worker: str) -> str:
    """The host of "host:pid" without its domain; an IP address in full."""
    host = worker.rpartition(":")[0] or worker
    return host if host.replace(".", "").isdigit() else host.split(".")[0]
