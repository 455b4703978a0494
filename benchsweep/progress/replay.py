"""A run's record told again as the events it is made of, so that its progress is reckoned by the
same rules as in the process that searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from benchsweep.progress.search import Limits, Progress
from search.engine.events import EpochReported, Event, Started, TrialEnded, TrialStarted
from search.records.sweep import Session, State, Sweep, Trial


@dataclass
class _Clock:
    """Stands where the event stands that is told: seconds since the epoch."""

    now: float

    def __call__(self) -> float:
        return self.now


def replay(
    sweep: Sweep, session: Session | None, heard: Mapping[int, datetime | None], now: datetime
) -> Progress:
    """How far the search is `now` (UTC). session: the start that goes on; None when none does. heard:
    when the last epoch of each trial that is not over came, by number; None where it is not known."""
    usual = sweep.plan.epochs or max(map(planned_epochs, sweep.trials), default=1)
    began = 0.0 if session is None else session.started.timestamp()
    clock = _Clock(began)
    progress = Progress(sweep.name, sweep.metric, Limits.of(sweep.plan), usual, clock)
    if session is None:
        progress.recall(sweep)
        return progress
    before = tuple(trial for trial in sweep.trials if trial.session != session.number)
    ours = [trial for trial in sweep.trials if trial.session == session.number]
    progress.recall(replace(sweep, trials=before, sessions=sweep.sessions[:-1]))
    progress.take(_started(session, before, ours))
    told = [each for trial in ours for each in _events(trial, session, heard.get(trial.number))]
    for time, event in sorted(told, key=lambda each: each[0]):
        clock.now = max(clock.now, time)
        progress.take(event)
    clock.now = max(clock.now, began + session.seconds if session.ended else now.timestamp())
    return progress


def planned_epochs(trial: Trial) -> int:
    """The epochs of its recipe; 1 where it died before its recipe was on record."""
    return int(trial.recipe.get("epochs", 1))


def _brought(trial: Trial) -> int:
    """The epochs with which a trial of the last start came into it."""
    return trial.resumed_from[-1] if trial.resumed_from else 0


def _started(session: Session, before: tuple[Trial, ...], ours: list[Trial]) -> Started:
    return Started(
        workers=int(session.environment.get("workers", 1)),
        hosts=int(session.environment.get("hosts", 1)),
        device=str(session.environment.get("device", "cpu")),
        session=session.number,
        finished=sum(trial.state not in (State.RUNNING, State.INTERRUPTED) for trial in before),
        epochs=sum(len(trial.epochs) for trial in before) + sum(_brought(trial) for trial in ours),
    )


def _events(trial: Trial, session: Session, heard: datetime | None) -> Iterator[tuple[float, Event]]:
    """What happened to a trial of this start, and when (seconds). Of its epochs only the last one's
    time is on record; the others' are set between, in proportion to what each took."""
    brought, began = _brought(trial), session.started
    if not brought and trial.started is not None:
        began = trial.started
    first = began.timestamp()
    yield first, TrialStarted(trial.number, trial.sampled, planned_epochs(trial), brought)
    last = max(first, (trial.ended or heard or began).timestamp())
    own = [epoch for epoch in trial.epochs if epoch.number > brought]
    whole, done = sum(epoch.seconds for epoch in own) or 1.0, 0.0
    for epoch in own:
        done += epoch.seconds
        yield first + (last - first) * done / whole, EpochReported(trial.number, epoch, trial.score or 0.0)
    if trial.ended is not None:
        count, same_as = len(trial.epochs), trial.same_as
        yield last, TrialEnded(trial.number, trial.state, count, trial.score, trial.error, same_as)
