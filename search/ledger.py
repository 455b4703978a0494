"""The book of one start: passes the study's questions to the engine, and writes down its answers.

Knows no engine: what Ray Tune calls is in `search.tune`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from search.events import EpochReported, Event, TrialEnded, TrialStarted
from search.folder import RunFolder
from search.records import State
from search.study import Question, Refusal, Study
from trainable.assignment import Assignment, Report
from trainable.durable import write_whole

T = TypeVar("T")


@dataclass(frozen=True)
class Cluster:
    """What trials run on. workers: trials at once. device: "cpu", "cuda" or "mps"; threads: CPU
    threads of each trial. hosts: machines."""

    workers: int
    device: str
    threads: int
    hosts: int


@dataclass
class Ledger:
    """What the engine's adapters share. They call it through `guarded`.

    stop: set to end early. began: time.monotonic() of the start. events: what its watcher iterates;
    None is the last. cluster: known once the engine is up. noted: seconds after `began` at which the
    session was last recorded. failure: why nothing more can be recorded; the engine would turn it
    into an error of its own. The engine pickles its adapters; a ledger pickles as nothing.
    """

    study: Study
    run: RunFolder
    stop: threading.Event
    began: float
    events: queue.SimpleQueue[Event | None] = field(default_factory=queue.SimpleQueue)
    cluster: Cluster | None = None
    noted: float = 0.0
    failure: Exception | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())

    def guarded(self, act: Callable[[], T], otherwise: T) -> T:
        """What `act` returns; `otherwise` once something went wrong in here, which is kept and ends
        the search. After a write that failed nothing more is written: a torn line must stay last."""
        if self.failure is None:
            try:
                return act()
            except Exception as error:  # whatever it is, the iterating thread raises it
                self.failure = error
                self.stop.set()
        return otherwise

    def spent(self) -> str | None:
        """Why the budget is spent and nothing may go on, as a sentence; None while it is not."""
        limit = self.study.plan.budget.wall_time
        if limit is not None and self.study.seconds_before + time.monotonic() - self.began >= limit:
            return f"the wall time of {limit:,.0f} s is spent"
        epochs = self.study.plan.budget.epochs
        if epochs is not None and self.study.epochs >= epochs:
            return f"the {epochs:,} epochs of the budget are spent"
        return self.study.exhausted() if self.study.idle else None

    def next(self) -> dict[str, Any] | None:
        """What a worker is to train next; None when nothing more may start."""
        while not self.stop.is_set() and self.spent() is None:
            question = self.study.ask()
            if question is None:
                return None
            if isinstance(question, Refusal):
                self.events.put(TrialStarted(question.number, question.sampled, 0, 0))
                self.events.put(TrialEnded(question.number, State.FAILED, 0, None, question.error))
                continue
            self.events.put(
                TrialStarted(question.number, question.sampled, question.epochs, question.reported)
            )
            return self._assignment(question)
        return None

    def _assignment(self, question: Question) -> dict[str, Any]:
        assert self.cluster is not None
        assignment = Assignment(
            number=question.number,
            trainable=self.study.plan.trainable,
            recipe=question.recipe,
            epochs=question.epochs,
            folder=str(self.run.trial(question.number).path),
            device=self.cluster.device,
            threads=self.cluster.threads,
            reported=question.reported,
        )
        return asdict(assignment)

    def lost(self, number: int) -> None:
        """Record that a trial's worker died and that another one continues it."""
        if self.study.is_live(number):
            epochs = self.study.epochs_of(number)
            self.study.note(number, f"its worker died after epoch {epochs}; another one went on from there")

    def give_up(self, number: int, error: str) -> None:
        """Record that a trial's worker died more often than the plan allows. error: the engine's
        own text, of which the last line says why."""
        times = self.study.plan.resources.max_failures + 1
        lines = [line.strip() for line in error.splitlines() if line.strip()] or ["no reason is known"]
        with suppress(OSError):  # the sentence, which the journal keeps, matters more
            self.run.trial(number).path.mkdir(parents=True, exist_ok=True)
            write_whole(self.run.trial(number).error, error)
        self.end(number, State.FAILED, f"its worker died {times} times, at last with: {lines[-1][:300]}")

    def take(self, result: dict[str, Any]) -> bool:
        """Record what a worker reported. Returns whether its trial is to stop."""
        report = Report.from_result(result)
        if not self.study.is_live(report.number):
            return True
        if report.note is not None:
            self.study.note(report.number, report.note)
        pruned: bool | None = False
        if report.epoch is not None:
            pruned = self.study.record(report.number, report.epoch, report.worker)
            if pruned is not None:
                score = report.epoch.metrics[self.study.plan.metric.name]
                self.events.put(EpochReported(report.number, report.epoch, score))
        if pruned:
            self.run.trial(report.number).drop_checkpoint()
            self._ended(report.number, State.PRUNED, None)
        elif report.outcome == "UNSTORED":
            raise OSError(report.error)
        elif report.outcome is not None:
            self.end(report.number, State(report.outcome), report.error)
        seconds = time.monotonic() - self.began
        if seconds - self.noted > 5:
            self.noted = seconds
            self.study.note_session(seconds, "")
        return bool(pruned)

    def end(self, number: int, state: State, error: str | None) -> None:
        """Record a trial's end, unless it has one."""
        if self.study.is_live(number):
            if state is State.COMPLETE and self.study.score(number) is None:
                state, error = State.FAILED, "its training ended without a single epoch"
            self.study.end(number, state, error)
            if state is State.DIVERGED:
                self.run.trial(number).drop_checkpoint()
            self._ended(number, state, error)

    def _ended(self, number: int, state: State, error: str | None) -> None:
        score, epochs = self.study.score(number), self.study.epochs_of(number)
        self.events.put(TrialEnded(number, state, epochs, score, error))
