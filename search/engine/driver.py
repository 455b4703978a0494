"""Passes a study's suggestions to an engine, and records what its workers report.

Knows no engine: `search.engine.local` and `search.engine.ray_tune.tuner` call it.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from search.cluster.placement import Slot, Slots
from search.engine.events import EpochReported, Event, TrialEnded, TrialPaused, TrialStarted
from search.engine.first_failures import FirstFailures
from search.engine.worker_losses import HangDetector, LossCounter, WorkerDeath
from search.plan.budget import format_duration
from search.records.folder import RunFolder
from search.records.lease import LeaseLost
from search.records.sweep import State
from search.study.base import SettledTrial, Study, Suggestion
from trainable.assignment import Assignment, TrialReport
from trainable.epoch import Epoch
from trainable.storage.durable import write_atomic
from trainable.storage.epochs import EpochLog

T = TypeVar("T")
_PATIENCE = 0.5
"""Seconds that drawing may keep the engine waiting."""
_SESSION_INTERVAL = 5.0
"""Seconds between two records of how long this start has lived."""
_STOP_INTERVAL = 0.5
"""Seconds between two looks for a stop request: the folder may lie on a network."""


def pop_stop_request(run: RunFolder) -> str | None:
    """Remove the request that `benchsweep stop` left. Returns who made it, or None if there is none. A file
    that cannot be read is a request as well."""
    if not run.stop_request.exists():
        return None
    try:
        request = json.loads(run.stop_request.read_text())
        requester = f"process {request['pid']} on {request['host']}"
    except (OSError, ValueError, TypeError, KeyError):
        requester = "somebody"
    with suppress(OSError):
        run.stop_request.unlink()
    return requester


def drop_checkpoint(run: RunFolder, number: int) -> None:
    """Remove the checkpoints of a trial that will not continue; from remote storage without waiting."""
    folder = run.trial(number)
    if run.storage is None:
        folder.drop_checkpoint()
        return

    def drop() -> None:
        with suppress(OSError):  # files that remain only take up space
            folder.drop_checkpoint()

    threading.Thread(target=drop, name=f"drop {number}", daemon=True).start()


@dataclass
class Driver:
    """One start of a study. The engine calls it through `guarded`, and pickles it as None."""

    study: Study
    """Records everything."""
    run: RunFolder
    """The folder of the run, which this process owns."""
    stop: threading.Event
    """Set to end early."""
    began: float
    """time.monotonic() of this start."""
    slots: Slots
    """Where trials can be trained."""
    events: queue.SimpleQueue[Event | None] = field(default_factory=queue.SimpleQueue)
    """Events that were not yielded yet. An engine that runs in a thread puts None at its end."""
    failure: Exception | None = None
    """Why nothing more can be recorded; None if nothing failed."""
    stopped_by: str | None = None
    """Who made the stop request that ended this start; None without one."""
    resized: bool = False
    """Whether `slots` holds another number of trials than is recorded."""
    claim_token: int = field(default_factory=lambda: secrets.randbits(48))
    """Distinguishes this process from one that searches a copy of the run."""

    def __post_init__(self) -> None:
        resources = self.study.plan.resources
        self.hangs = HangDetector(resources.trial_timeout)
        self._losses = LossCounter(resources.max_failures)
        self._first_failures = FirstFailures(self.run.reference) if self.study.samples else None
        self._workers_sent: Counter[int] = Counter()
        self._seconds: dict[int, float] = {}
        self._session_noted = 0.0
        self._stop_checked = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())

    def guarded(self, act: Callable[[], T], default: T) -> T:
        """Returns what `act` returns, or `default` after an error, which is stored in `failure` and ends the
        search. Nothing is written after a failed write, because the study in memory is then ahead of its
        journal."""
        if self.failure is None:
            try:
                return act()
            except Exception as error:  # of any type: the iterating thread raises it
                self.failure = error
                self.stop.set()
        return default

    def close(self) -> None:
        """Record nothing more, even if the engine's thread is still running and calls."""
        self.failure = self.failure or RuntimeError("the search is over")
        self.study.stop_drawing()

    def pending_events(self) -> Iterator[Event]:
        """Yields the events that were not yielded yet."""
        while not self.events.empty():
            if (event := self.events.get()) is not None:
                yield event

    def stopping(self) -> bool:
        """Whether to end now: asked to, by this process or by `benchsweep stop`, or the budget is spent."""
        now = time.monotonic()
        if now - self.began - self._session_noted > _SESSION_INTERVAL:
            self._session_noted = now - self.began
            self.study.note_session(self._session_noted, "")
        if self.resized:  # by another thread, which must not write
            self.resized = False
            self.study.note_workers(now - self.began, self.slots.cluster.workers)
        if now - self._stop_checked > _STOP_INTERVAL:
            self._stop_checked = now
            if (requester := pop_stop_request(self.run)) is not None:
                self.stopped_by = requester
                self.stop.set()
        return self.stop.is_set() or self.spent() is not None

    def spent(self) -> str | None:
        """Why the budget is spent and no training may continue, as a sentence; None if it is not."""
        return self.study.spent(time.monotonic() - self.began)

    def next(self) -> Assignment | Literal["later"] | None:
        """The next assignment for a worker; None if no more trials may start. "later": call again, because
        the trials suggested so far needed no training, and the engine must not wait longer for this
        thread."""
        if self.slots.cluster.workers > 1:
            self.study.draw_ahead()
        until = time.monotonic() + _PATIENCE
        while not self.stopping():
            # Ray Tune never asks again after None; a trial whose worker dies would be left.
            if time.monotonic() > until or self.slots.full:
                return "later"
            suggestion = self.study.ask()
            if suggestion == "later" or (suggestion is None and not self.study.idle):
                return "later"
            if suggestion is None:
                return None
            if isinstance(suggestion, SettledTrial):
                self._report_settled(suggestion)
                continue
            slot = self.slots.take(suggestion.number)
            if slot is None:  # a machine left just now
                self.study.requeue(suggestion.number)
                return "later"
            if self.slots.cluster.device == "any":
                self.study.note_device(suggestion.number, slot.resources.device)
            self.events.put(
                TrialStarted(suggestion.number, suggestion.sampled, suggestion.epochs, suggestion.reported)
            )
            return self._assignment(suggestion, slot)
        return None

    def _report_settled(self, trial: SettledTrial) -> None:
        drop_checkpoint(self.run, trial.number)
        epochs = 0 if trial.same_as is not None else self.study.epochs_of(trial.number)
        self.events.put(TrialStarted(trial.number, trial.sampled, epochs, epochs))
        self.events.put(
            TrialEnded(trial.number, trial.state, epochs, trial.score, trial.error, trial.same_as)
        )
        self._check_first(trial.number, trial.state, trial.error)

    def _assignment(self, suggestion: Suggestion, slot: Slot) -> Assignment:
        number, plan = suggestion.number, self.study.plan
        self._workers_sent[number] += 1
        if plan.resources.trial_limit is not None and number not in self._seconds:
            self._seconds[number] = self._trained_before(number) if suggestion.reported else 0.0
        return Assignment(
            number=number,
            trainable=plan.trainable,
            recipe=suggestion.recipe,
            epochs=suggestion.epochs,
            folder=str(self.run.trial(number).path),
            device=slot.resources.device,
            threads=plan.resources.cpus,
            reported=suggestion.reported,
            claim=(self.claim_token, self._workers_sent[number]),
            storage=self.run.trial(number).storage,
            announced=plan.resources.trial_timeout is not None,
            code=plan.code,
            draws=self.study.draws(number),
            metric=plan.declared_metric,
        )

    def take(self, report: TrialReport) -> bool:
        """Record what a worker reported. Returns whether its trial is over.

        Raises OSError for an epoch that could not be stored, and LeaseLost if another process has the trial.
        """
        number, epoch = report.number, report.epoch
        self.hangs.reported(number)
        if not self.study.is_live(number):
            return True
        if report.outcome == "UNSTORED":
            raise OSError(report.error)
        if report.outcome == "SUPERSEDED":
            raise LeaseLost(str(report.error))
        if self.run.storage is not None:
            self._write_trial_files(report)
        with self.study.transaction():  # a trial's last epoch and its end are one
            if report.suggested is not None:
                self.study.note_suggestions(number, json.loads(report.suggested))
            if report.note is not None:
                self.study.note(number, report.note)
            if report.outcome is not None and epoch is None:
                self.study.note_worker(number, report.worker)
            if report.outcome == "FAILED" and self._retries(report):
                self.slots.leave(number)
                return True
            known = epoch is None or self.study.has_epoch(number, epoch.number)
            stopped = None if epoch is None or known else self._recorded(report, epoch)
            state = stopped or (report.outcome and State(report.outcome))
            error = report.error
            if report.outcome == "COMPLETE":
                self.study.note_result(report)
            if state and not stopped:
                state, error = self._record_end(number, state, error)
        if epoch is not None and not known:
            score = epoch.metrics[self.study.plan.objective.name]
            self.events.put(EpochReported(number, epoch, score))
        if state:
            self._leave(number, state, error)
        return bool(state)

    def _retries(self, report: TrialReport) -> bool:
        """Whether a trial that raised is trained again, which is then recorded."""
        kinds = self.study.plan.resources.retry_on
        if kinds and not set(kinds) & set((report.raised or "").split()):
            return False
        return self.study.retry(report.number, str(report.error))

    def _recorded(self, report: TrialReport, epoch: Epoch) -> State | None:
        """Record an epoch. Returns the state in which the trial is stopped after it; None if it goes on, or
        was its last one."""
        number, over = report.number, report.outcome == "COMPLETE"
        stopped = self.study.record(number, epoch, report.worker, over)
        if stopped is None and not over and self.study.samples and self._past_limit(number, epoch):
            self.study.end(number, State.PRUNED)
            return State.PRUNED
        return stopped

    def _past_limit(self, number: int, epoch: Epoch) -> bool:
        """Whether a trial is stopped after this epoch because it has trained for longer than it may, which is
        then noted."""
        limit = self.study.plan.resources.trial_limit
        if limit is None:
            return False
        self._seconds[number] = self._seconds.get(number, 0.0) + epoch.seconds
        if self._seconds[number] < limit:
            return False
        text = format_duration(limit)
        self.study.note(number, f"it was stopped after epoch {epoch.number}: trial_limit is {text}")
        return True

    def _trained_before(self, number: int) -> float:
        """How long a trial was trained in earlier starts, in seconds."""
        with suppress(OSError):
            return sum(epoch.seconds for epoch in EpochLog(self.run.trial(number).path).read())
        return 0.0

    def _write_trial_files(self, report: TrialReport) -> None:
        """Write what the worker would have written into the trial's folder, had it seen that: before it is
        in the journal, as a worker does."""
        folder = self.run.trial(report.number)
        folder.path.mkdir(parents=True, exist_ok=True)
        if report.traceback is not None:
            write_atomic(folder.error, report.traceback)
        if report.epoch is not None:
            EpochLog(folder.path).append(report.epoch)

    def worker_died(self, number: int, death: WorkerDeath) -> None:
        """Record that the worker of a trial died. The trial is asked again, or has FAILED if that happened
        more often than the plan allows."""
        hung = self.hangs.worker_died(number)
        self.slots.leave(number)
        if not self.study.is_live(number):  # it had ended before its worker was killed
            return
        self._losses.add(number, death)
        if self._losses.exceeded(number):
            self._give_up(number, f"it hung, {self._overdue()}" if hung else death.cause, death.log)
            return
        if hung:
            event = "worker hung and was ended"
        elif death.machine_lost:
            event = "machine was lost or out of reach"
        else:
            event = "worker died"
        epochs = self.study.epochs_of(number)
        with self.study.transaction():
            self.study.note(number, f"its {event} after epoch {epochs}; another one continued from there")
            self.study.requeue(number)

    def end_hanging(self, number: int) -> None:
        """Record that a trial hangs and its worker is about to be killed. The second time after the same
        epoch, the trial has FAILED."""
        epochs = self.study.epochs_of(number) if self.study.is_live(number) else 0
        if self.hangs.end(number, epochs):
            self._end(number, State.FAILED, f"it hung twice after epoch {epochs}: {self._overdue()}")

    def _overdue(self) -> str:
        return f"no epoch within the {format_duration(self.hangs.timeout or 0.0)} of trial_timeout"

    def _give_up(self, number: int, cause: str, log: str) -> None:
        with suppress(OSError):  # the sentence, which the journal keeps, matters more
            self.run.trial(number).path.mkdir(parents=True, exist_ok=True)
            write_atomic(self.run.trial(number).error, log)
        deaths = self._losses.total(number)
        times = "once" if deaths == 1 else f"{deaths} times"
        self._end(number, State.FAILED, f"its worker died {times}; at last: {cause}")

    def _end(self, number: int, state: State, error: str | None) -> None:
        """Record a trial's end, unless it has one."""
        if self.study.is_live(number):
            self._leave(number, *self._record_end(number, state, error))

    def _record_end(self, number: int, state: State, error: str | None) -> tuple[State, str | None]:
        """Returns what was recorded: a training without an epoch has FAILED."""
        if state is State.COMPLETE and self.study.score(number) is None:
            state, error = State.FAILED, "its training ended without a single epoch"
        self.study.end(number, state, error)
        return state, error

    def _leave(self, number: int, state: State, error: str | None) -> None:
        """Free the slot of a trial whose end is recorded, and remove its checkpoints if they are not
        needed."""
        self.slots.leave(number)
        score, epochs = self.study.score(number), self.study.epochs_of(number)
        if state is State.PAUSED:
            self.events.put(TrialPaused(number, epochs, score))
            return
        if state in (State.PRUNED, State.DIVERGED):
            drop_checkpoint(self.run, number)
        self.events.put(TrialEnded(number, state, epochs, score, error))
        self._check_first(number, state, error)

    def _check_first(self, number: int, state: State, error: str | None) -> None:
        """Raise EveryTrialFailed if the first trials of a search all failed for one cause."""
        if self._first_failures is not None:
            self._first_failures.ended(number, state, error)
