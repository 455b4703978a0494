"""Replays a run's record as events, so that its progress is computed as in the process that searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from benchsweep.progress.search import Limits, Progress
from search.engine.events import EpochReported, Event, Started, TrialEnded, TrialPaused, TrialStarted
from search.records.sweep import Session, State, Sweep, Trial


@dataclass
class _ReplayClock:
    """Shows the time of the event that is replayed."""

    now: float
    """Seconds since 1970."""

    def __call__(self) -> float:
        return self.now


def replay(
    sweep: Sweep,
    session: Session | None,
    last_epoch_times: Mapping[int, datetime | None],
    now: datetime,
) -> Progress:
    """The progress of the search at the time `now` (UTC).

    session: the one that is running; None if none is. last_epoch_times: when the last epoch of each trial
    that has not ended was stored, by trial number; None if that is unknown."""
    usual = sweep.plan.epochs or max(map(planned_epochs, sweep.trials), default=1)
    began = 0.0 if session is None else session.started.timestamp()
    clock = _ReplayClock(began)
    progress = Progress(
        sweep.name, sweep.metric, Limits.of(sweep.plan), usual, clock, order=list(sweep.plan.space)
    )
    if session is None:
        progress.add_earlier(sweep)
        return progress
    earlier = tuple(trial for trial in sweep.trials if trial.session != session.number)
    current = [trial for trial in sweep.trials if trial.session == session.number]
    progress.add_earlier(replace(sweep, trials=earlier, sessions=sweep.sessions[:-1]))
    progress.update(_started(session, earlier, current))
    events = [
        timed_event
        for trial in current
        for timed_event in _events(trial, session, last_epoch_times.get(trial.number))
    ]
    for time, event in sorted(events, key=lambda timed_event: timed_event[0]):
        clock.now = max(clock.now, time)
        progress.update(event)
    clock.now = max(clock.now, began + session.seconds if session.ended else now.timestamp())
    return progress


def planned_epochs(trial: Trial) -> int:
    """The epochs of its recipe; 1 if it failed before its recipe was recorded."""
    return int(trial.recipe.get("epochs", 1))


def _resumed_from(trial: Trial) -> int:
    """Epochs that the trial had when the current session started it; 0 for a new one."""
    return trial.resumed_from[-1] if trial.resumed_from else 0


def _started(session: Session, earlier: tuple[Trial, ...], current: list[Trial]) -> Started:
    return Started(
        workers=int(session.environment.get("workers", 1)),
        hosts=int(session.environment.get("hosts", 1)),
        device=str(session.environment.get("device", "cpu")),
        session=session.number,
        finished=sum(trial.state.is_finished() for trial in earlier),
        epochs=sum(len(trial.epochs) for trial in earlier) + sum(map(_resumed_from, current)),
    )


def _events(
    trial: Trial, session: Session, last_epoch_time: datetime | None
) -> Iterator[tuple[float, Event]]:
    """The events of a trial in the session, with their times (seconds since 1970). Only the time of the last
    epoch is recorded; the others are placed before it in proportion to their durations."""
    resumed_from, began = _resumed_from(trial), session.started
    if not resumed_from and trial.started is not None:
        began = trial.started
    first = began.timestamp()
    yield first, TrialStarted(trial.number, trial.sampled, planned_epochs(trial), resumed_from)
    last = max(first, (trial.ended or last_epoch_time or began).timestamp())
    epochs = [epoch for epoch in trial.epochs if epoch.number > resumed_from]
    total, trained = sum(epoch.seconds for epoch in epochs) or 1.0, 0.0
    for epoch in epochs:
        trained += epoch.seconds
        time = first + (last - first) * trained / total
        yield time, EpochReported(trial.number, epoch, trial.score or 0.0)
    if trial.state is State.PAUSED:
        yield last, TrialPaused(trial.number, len(trial.epochs), trial.score)
    if trial.ended is not None:
        count, same_as = len(trial.epochs), trial.same_as
        yield last, TrialEnded(trial.number, trial.state, count, trial.score, trial.error, same_as)
