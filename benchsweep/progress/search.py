"""How far a search is: fed with its events, asked for what a watcher wants to know.

Knows no terminal. `view.py` and `lines.py` draw it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple, Self

from search.engine.events import (
    ClusterResized,
    Ended,
    EpochReported,
    Event,
    Note,
    Started,
    TrialEnded,
    TrialStarted,
)
from search.plan.plan import Plan
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric


class Limits(NamedTuple):
    """What ends the search: trials, seconds of wall time, epochs of all trials. None sets no limit."""

    trials: int | None = None
    wall_time: float | None = None
    epochs: int | None = None

    @classmethod
    def of(cls, plan: Plan | RecordedPlan) -> Limits:
        """The plan's budget; a grid that is smaller than it ends the search as well."""
        return cls(plan.max_trials, plan.budget.wall_time, plan.budget.epochs)


class Leading(NamedTuple):
    """What leads: its score, what it is called, and what was chosen of it."""

    score: float
    name: str
    sampled: Mapping[str, Any]


@dataclass
class Row:
    """A trial as a watcher sees it. planned, trained: epochs. resumed_from: as `TrialStarted` has it."""

    number: int
    sampled: Mapping[str, Any]
    planned: int
    state: State = State.RUNNING
    trained: int = 0
    score: float | None = None
    error: str | None = None
    resumed_from: int = 0
    same_as: int | None = None

    @property
    def saved(self) -> int:
        """Epochs that the pruner spared."""
        pruned = self.state is State.PRUNED and self.same_as is None
        return self.planned - self.trained if pruned else 0


@dataclass
class _Pace:
    """What an epoch takes: the epochs' own times, and when they were reported (by our clock)."""

    count: int = 0
    seconds: float = 0.0
    first: float | None = None
    last: float = 0.0

    def take(self, seconds: float, now: float) -> None:
        self.count, self.seconds, self.last = self.count + 1, self.seconds + seconds, now
        self.first = now if self.first is None else self.first

    def per_epoch(self, workers: int) -> float | None:
        """Seconds from one epoch of the search to the next; None before the first.

        The mean epoch over the workers that share the work, or what was seen between reports
        where that is more: with short epochs, starting trials takes longer than training them.
        """
        if self.first is None:
            return None
        seen = (self.last - self.first) / (self.count - 1) if self.count > 1 else 0.0
        return max(self.seconds / self.count / workers, seen)


@dataclass
class Progress:
    """One search, as told so far: first what earlier starts left (`recall`), then each event (`take`).

    metric: what trials are judged by. epochs: of a trial that runs to its end, as the plan has it.
    clock: seconds, from any beginning.
    """

    name: str
    metric: Metric
    limits: Limits
    epochs: int
    clock: Callable[[], float] = time.monotonic
    rows: dict[int, Row] = field(default_factory=dict)
    started: Started | None = None
    ended: Ended | None = None
    notice: str = ""
    """A sentence about what happens now, other than training."""

    stage: ClassVar[Literal["search", "confirmation"]] = "search"
    noun: ClassVar[str] = "trial"
    """What its trainings are called."""

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._up: float | None = None
        self._before = 0.0
        self._ended_now = 0
        self._trained = 0
        self._pace = _Pace()
        self._finished: dict[int, Row] = {}

    @classmethod
    def of(cls, plan: Plan, clock: Callable[[], float] = time.monotonic) -> Self:
        """The progress of a search that has not begun."""
        epochs = plan.default_recipe.epochs
        return cls(plan.name, plan.metric, Limits.of(plan), epochs, clock)

    def recall(self, sweep: Sweep) -> None:
        """Learn what earlier starts of this run left."""
        self._before = sweep.seconds
        for trial in sweep.trials:
            row = _row_of(trial, self.epochs)
            self._trained += row.trained
            if trial.state in (State.RUNNING, State.INTERRUPTED):
                continue  # known again once it is started again
            self.rows[row.number] = self._finished[row.number] = row

    def know(self, trial: Trial, sampled: Mapping[str, Any]) -> None:
        """Learn of one trial that was over before. sampled: what it is told apart by."""
        row = replace(_row_of(trial, self.epochs), sampled=sampled)
        self._trained += row.trained
        self.rows[row.number] = self._finished[row.number] = row

    def take(self, event: Event) -> None:
        """Learn one event."""
        match event:
            case Note():
                self.notice = event.sentence
            case Started():
                self.started, self._up = event, self.clock()
                self._trained = event.epochs
            case ClusterResized() if self.started is not None:
                self.started = replace(self.started, workers=event.workers, hosts=event.hosts)
                self.notice = f"the cluster changed: from now on {event.workers} trials at once"
            case TrialStarted():
                row = Row(event.number, event.sampled, event.epochs, resumed_from=event.resumed_from)
                row.trained = event.resumed_from
                self.rows[event.number] = row
            case EpochReported():
                self._trained += 1
                self._pace.take(event.epoch.seconds, self.clock())
                row = self.rows[event.number]
                row.trained, row.score = event.epoch.number, event.score
            case TrialEnded():
                row = self.rows.setdefault(event.number, Row(event.number, {}, self.epochs))
                row.state, row.trained = event.state, event.epochs
                row.score, row.error, row.same_as = event.score, event.error, event.same_as
                self._finished[event.number] = row
                self._ended_now += 1
            case Ended():
                self.ended = event

    @property
    def running(self) -> list[Row]:
        """Trials that train now, by number."""
        return [row for number, row in sorted(self.rows.items()) if number not in self._finished]

    @property
    def finished(self) -> list[Row]:
        """Trials that are over, as they ended."""
        return list(self._finished.values())

    @property
    def best(self) -> Row | None:
        """The best COMPLETE trial, the earliest in a tie: as `search.records.sweep.Sweep.best` has it."""
        best: Row | None = None
        for row in sorted(self._finished.values(), key=lambda each: each.number):
            if row.state is not State.COMPLETE or row.score is None or row.same_as is not None:
                continue
            if best is None or best.score is None or self.metric.better(row.score, best.score):
                best = row
        return best

    @property
    def leading(self) -> Leading | None:
        """What is told as the best so far; None before there is one."""
        best = self.best
        if best is None or best.score is None:
            return None
        return Leading(best.score, f"trial {best.number}", best.sampled)

    @property
    def saved(self) -> int:
        """Epochs that pruning spared: of each pruned trial, its recipe's epochs less those trained."""
        return sum(row.saved for row in self._finished.values())

    @property
    def elapsed(self) -> float:
        """Seconds since this start."""
        return self.clock() - self._began

    @property
    def spent(self) -> float:
        """Seconds of wall time over all starts, this one included."""
        return self._before + self.elapsed

    @property
    def per_hour(self) -> float | None:
        """Trials that end in an hour, measured since the workers are up; None before the first."""
        if self._up is None or not self._ended_now or (lasted := self.clock() - self._up) <= 0:
            return None
        return 3600 * self._ended_now / lasted

    @property
    def share(self) -> float:
        """How much of the budget is spent, 0..1, by the limit that is nearest."""
        parts = [
            done / limit
            for done, limit in zip((len(self._finished), self.spent, self._trained), self.limits, strict=True)
            if limit
        ]
        return min(1.0, max(parts, default=0.0))

    @property
    def epochs_trained(self) -> int:
        """Of all trials, over all starts."""
        return self._trained

    @property
    def remaining(self) -> float | None:
        """Seconds until the first limit is reached, from the epochs measured; None while unknown."""
        workers = max(1, self.started.workers) if self.started else 1
        pace = self._pace.per_epoch(workers)
        left = []
        if self.limits.wall_time is not None:
            left.append(self.limits.wall_time - self.spent)
        if self.limits.epochs is not None and pace is not None:
            left.append(pace * (self.limits.epochs - self._trained))
        if self.limits.trials is not None and pace is not None:
            # The last trials are fewer than the workers, and then a worker more is no help.
            waiting = max(0, self.limits.trials - len(self.rows))
            idle = max(1.0, workers / max(1, waiting + len(self.running)))
            left.append(pace * idle * self._epochs_to_go(waiting))
        # While nothing is measured, only the wall time is known, and it seldom is what ends a search.
        known = len(left) == sum(limit is not None for limit in self.limits)
        return max(0.0, min(left)) if left and known else None

    def _epochs_to_go(self, waiting: int) -> float:
        """Epochs that running and waiting trials are likely to take, by the mean of those that ended."""
        ended = [row.trained for row in self._finished.values()]
        usual = sum(ended) / len(ended) if ended else float(self.epochs)
        return waiting * usual + sum(_to_go(row, usual) for row in self.running)


def _to_go(row: Row, usual: float) -> float:
    """A running trial's likely rest. One that passed the usual length has survived its pruner."""
    if row.trained < usual:
        return min(usual, row.planned) - row.trained
    return row.planned - row.trained


def _row_of(trial: Trial, planned: int) -> Row:
    # Of a trial that a new plan did not ask for any more nothing was saved by pruning.
    epochs = len(trial.epochs) if trial.abandoned else trial.recipe.get("epochs", planned)
    return Row(
        trial.number,
        trial.sampled,
        int(epochs),
        trial.state,
        len(trial.epochs),
        trial.score,
        trial.error,
        same_as=trial.same_as,
    )
