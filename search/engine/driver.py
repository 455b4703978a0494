"""The book of one start: passes a study's questions to the engine, and writes down its answers.

Knows no engine: what Ray Tune calls is in `search.engine.loop`.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from search.cluster.placement import Slot, Slots
from search.engine.deaths import cause, node_lost
from search.engine.events import EpochReported, Event, TrialEnded, TrialStarted
from search.plan.budget import duration
from search.records.folder import RunFolder
from search.records.lease import Disowned
from search.records.sweep import State
from search.study.base import SettledTrial, Study, Suggestion
from trainable.assignment import Assignment, TrialReport
from trainable.storage.durable import write_atomic

T = TypeVar("T")
_PATIENCE = 0.5
"""Seconds that drawing may hold up the engine."""
_MACHINES = 10
"""So many more machines than workers may be lost under a trial before it is given up."""
_STARTING = 60.0
"""Seconds that a worker may take to import what it needs, and to wait for one before it."""


def heeded(run: RunFolder) -> str | None:
    """Who asked the run to stop, with `benchsweep stop`; None where nobody did. The request is removed.
    Whatever it holds, it is one."""
    if not run.stop_request.exists():
        return None
    try:
        asker = json.loads(run.stop_request.read_text())
        who = f"process {asker['pid']} on {asker['host']}"
    except (OSError, ValueError, TypeError, KeyError):
        who = "somebody"
    with suppress(OSError):
        run.stop_request.unlink()
    return who


@dataclass
class Driver:
    """What the engine's adapters share. They call it through `guarded`.

    stop: set to end early. began: time.monotonic() of the start. places: who is trained where; resized:
    whether it holds another number of trials than is on record. events: what its watcher iterates; None is
    the last. noted: seconds after `began` at which the session was last recorded. failure: why nothing more
    can be recorded; the engine would turn it into an error of its own. heard: when (time.monotonic()) each
    trial in training last told something, or was given to a worker, and whether that worker is up; paused:
    when that was last looked at. hung: after how many epochs a trial was found hanging; hanging: those whose
    worker was ended for it just now. sent: how many workers a trial had; deaths: how many of them died;
    gone: how many with their machines. asked: who asked the run to stop, from outside; looked: when that was
    last looked for. token: tells this process from one that searches a copy. The engine pickles its adapters;
    a ledger pickles as nothing.
    """

    study: Study
    run: RunFolder
    stop: threading.Event
    began: float
    places: Slots
    events: queue.SimpleQueue[Event | None] = field(default_factory=queue.SimpleQueue)
    failure: Exception | None = None
    heard: dict[int, tuple[float, bool]] = field(default_factory=dict)
    hung: dict[int, int] = field(default_factory=dict)
    hanging: set[int] = field(default_factory=set)
    deaths: Counter[int] = field(default_factory=Counter)
    gone: Counter[int] = field(default_factory=Counter)
    sent: Counter[int] = field(default_factory=Counter)
    noted: float = 0.0
    paused: float = 0.0
    asked: str | None = None
    looked: float = 0.0
    resized: bool = False
    token: int = field(default_factory=lambda: secrets.randbits(48))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())

    def guarded(self, act: Callable[[], T], otherwise: T) -> T:
        """What `act` returns; `otherwise` once something went wrong in here, which is kept and ends
        the search. After a write that failed nothing more is written: the study in memory is ahead of
        its journal then."""
        if self.failure is None:
            try:
                return act()
            except Exception as error:  # whatever it is, the iterating thread raises it
                self.failure = error
                self.stop.set()
        return otherwise

    def close(self) -> None:
        """Write nothing any more, whatever the engine's thread, if it lives on, still calls."""
        self.failure = self.failure or RuntimeError("the search is over")

    def _drop(self, number: int) -> None:
        """Remove what a trial that will not go on has stored; of remote storage without waiting for it."""
        folder = self.run.trial(number)
        if self.run.storage is None:
            folder.drop_checkpoint()
            return

        def drop() -> None:
            with suppress(OSError):  # what is left there costs its room, and nothing else
                folder.drop_checkpoint()

        threading.Thread(target=drop, name=f"drop {number}", daemon=True).start()

    def stopping(self) -> bool:
        """Whether to end now: asked to, from here or by `benchsweep stop`, or the budget is spent."""
        now = time.monotonic()
        if now - self.began - self.noted > 5:
            self.noted = now - self.began
            self.study.note_session(self.noted, "")
        if self.resized:  # by another thread, which must not write
            self.resized = False
            self.study.resize(now - self.began, self.places.cluster.workers)
        if now - self.looked > 0.5:  # the folder may lie on a network
            self.looked = now
            if (asked := heeded(self.run)) is not None:
                self.asked = asked
                self.stop.set()
        return self.stop.is_set() or self.spent() is not None

    def spent(self) -> str | None:
        """Why the budget is spent and nothing may go on, as a sentence; None while it is not."""
        return self.study.spent(time.monotonic() - self.began)

    def next(self) -> dict[str, Any] | Literal["later"] | None:
        """What a worker is to train next; None when nothing more may start. "later": ask again, for
        what was drawn so far needed no training, and others wait for this thread."""
        until = time.monotonic() + _PATIENCE
        while not self.stopping():
            # Ray never asks again once it was told that there is no more; a lost trial would be left.
            if time.monotonic() > until or self.places.full:
                return "later"
            question = self.study.ask()
            if question == "later" or (question is None and not self.study.idle):
                return "later"
            if question is None:
                return None
            if isinstance(question, SettledTrial):
                self._settled(question)
                continue
            place = self.places.take(question.number)
            if place is None:  # a machine left just now
                self.study.put_back(question.number)
                return "later"
            if self.places.cluster.device == "any":
                self.study.send(question.number, place.share.device)
            self.events.put(
                TrialStarted(question.number, question.sampled, question.epochs, question.reported)
            )
            return self._assignment(question, place)
        return None

    def _settled(self, trial: SettledTrial) -> None:
        """Tell of a trial that was over before it was trained."""
        self._drop(trial.number)
        epochs = 0 if trial.same_as is not None else self.study.epochs_of(trial.number)
        self.events.put(TrialStarted(trial.number, trial.sampled, epochs, epochs))
        self.events.put(
            TrialEnded(trial.number, trial.state, epochs, trial.score, trial.error, trial.same_as)
        )

    def _assignment(self, question: Suggestion, place: Slot) -> dict[str, Any]:
        self.sent[question.number] += 1
        assignment = Assignment(
            number=question.number,
            trainable=self.study.plan.trainable,
            recipe=question.recipe,
            epochs=question.epochs,
            folder=str(self.run.trial(question.number).path),
            device=place.share.device,
            threads=self.study.plan.resources.cpus,
            reported=question.reported,
            claim=(self.token, self.sent[question.number]),
            storage=self.run.trial(question.number).storage,
            announced=self.study.plan.resources.trial_timeout is not None,
        )
        return asdict(assignment)

    def lost(self, number: int, error: str) -> None:
        """Record that a trial's worker died, as `error`, Ray's own text, tells. The trial is asked again, or
        is over if that happened more often than the plan allows. A machine that goes is no fault of its
        trials: that counts only when it happens ten times more."""
        limit = self.study.plan.resources.max_failures
        hung, away = number in self.hanging, node_lost(error)
        self.hanging.discard(number)
        self.heard.pop(number, None)
        self.places.leave(number)
        if not self.study.is_live(number):  # it was given up before its worker was ended
            return
        self.deaths[number] += not away
        self.gone[number] += away
        if self.deaths[number] > limit or self.gone[number] > limit + _MACHINES:
            self._give_up(number, f"it hung, {self._overdue()}" if hung else cause(error), error)
            return
        epochs = self.study.epochs_of(number)
        what = (
            "worker hung and was ended"
            if hung
            else "machine was lost or out of reach"
            if away
            else "worker died"
        )
        with self.study.transaction():
            self.study.note(number, f"its {what} after epoch {epochs}; another one went on from there")
            self.study.put_back(number)

    def hangs(self, number: int) -> bool:
        """Whether a trial in training has told nothing for longer than the plan allows, not counting
        what its worker takes to start."""
        limit, now = self.study.plan.resources.trial_timeout, time.monotonic()
        if limit is None or number in self.hanging:
            return False
        since, started = self.heard.setdefault(number, (now, False))
        return now - since > (limit if started else limit + _STARTING)

    def pause(self) -> None:
        """Notice when this process stood still itself, and give all trials that time."""
        now = time.monotonic()
        missed = now - self.paused if self.paused else 0.0
        if missed > 1:
            self.heard = {number: (since + missed, up) for number, (since, up) in self.heard.items()}
        self.paused = now

    def give_up_hung(self, number: int) -> None:
        """Take in that a trial hangs and its worker is to be ended. A second time at the same epoch, chance
        is no reason any more, and the trial is over."""
        epochs = self.study.epochs_of(number) if self.study.is_live(number) else 0
        again = self.hung.get(number) == epochs
        self.hung[number] = epochs
        self.hanging.add(number)
        if again:
            self.end(number, State.FAILED, f"it hung twice after epoch {epochs}: {self._overdue()}")

    def _overdue(self) -> str:
        limit = self.study.plan.resources.trial_timeout or 0.0
        return f"no epoch within the {duration(limit)} of trial_timeout"

    def _give_up(self, number: int, why: str, error: str) -> None:
        """Record that a trial's worker died once too often. error: Ray's own text."""
        with suppress(OSError):  # the sentence, which the journal keeps, matters more
            self.run.trial(number).path.mkdir(parents=True, exist_ok=True)
            write_atomic(self.run.trial(number).error, error)
        times = self.deaths[number] + self.gone[number]
        died = f"its worker died {'once' if times == 1 else f'{times} times'}; at last: {why}"
        self.end(number, State.FAILED, died)

    def take(self, result: dict[str, Any]) -> bool:
        """Record what a worker reported. Returns whether its trial is over, and its worker free for another
        one at once: not only once it says so, for its place is given to the next trial now."""
        report = TrialReport.from_result(result)
        number, epoch = report.number, report.epoch
        self.heard[number] = time.monotonic(), True
        if not self.study.is_live(number):
            return True
        if report.outcome == "UNSTORED":
            raise OSError(report.error)
        if report.outcome == "SUPERSEDED":
            raise Disowned(str(report.error))
        if self.run.storage is not None:
            self._keep(report)
        with self.study.transaction():  # a trial's last epoch and its end are one
            if report.note is not None:
                self.study.note(number, report.note)
            if report.outcome is not None and epoch is None:
                self.study.place(number, report.worker)
            pruned = epoch is not None and self.study.record(number, epoch, report.worker)
            ended = State.PRUNED if pruned else report.outcome and State(report.outcome)
            error = report.error
            if report.outcome == "COMPLETE":
                self.study.trained(report)
            if ended and not pruned:
                ended, error = self._write_end(number, ended, error)
        if epoch is not None and pruned is not None:
            score = epoch.metrics[self.study.plan.metric.name]
            self.events.put(EpochReported(number, epoch, score))
        if ended:
            self._ended(number, ended, error)
        return bool(ended)

    def _keep(self, report: TrialReport) -> None:
        """Write into the trial's folder what its worker, which may not see that, would have: before the
        journal tells of it, as it does."""
        folder = self.run.trial(report.number)
        folder.path.mkdir(parents=True, exist_ok=True)
        if report.traceback is not None:
            write_atomic(folder.error, report.traceback)
        if report.epoch is not None:
            lines = folder.epochs.read_text().splitlines(keepends=True) if folder.epochs.is_file() else []
            lines = [*lines[: report.epoch.number - 1], json.dumps(report.epoch.to_json()) + "\n"]
            write_atomic(folder.epochs, "".join(lines))

    def end(self, number: int, state: State, error: str | None) -> None:
        """Record a trial's end, unless it has one."""
        if self.study.is_live(number):
            self._ended(number, *self._write_end(number, state, error))

    def _write_end(self, number: int, state: State, error: str | None) -> tuple[State, str | None]:
        """What was recorded: an end without an epoch is none."""
        if state is State.COMPLETE and self.study.score(number) is None:
            state, error = State.FAILED, "its training ended without a single epoch"
        self.study.end(number, state, error)
        return state, error

    def _ended(self, number: int, state: State, error: str | None) -> None:
        """Act on an end that is on record."""
        self.places.leave(number)
        if state in (State.PRUNED, State.DIVERGED):
            self._drop(number)
        score, epochs = self.study.score(number), self.study.epochs_of(number)
        self.events.put(TrialEnded(number, state, epochs, score, error))
