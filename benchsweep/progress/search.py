"""The progress of a search: updated with its events, read by whatever shows it.

It knows no terminal: `benchsweep.screen` draws it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
    TrialPaused,
    TrialStarted,
)
from search.plan.constraints import Constraints
from search.plan.plan import Plan
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric
from trainable.epoch import Epoch


class Limits(NamedTuple):
    """What ends a search: whichever limit is reached first."""

    trials: int | None = None
    """Maximum number of trials; None if unlimited."""
    wall_time: float | None = None
    """Seconds over all starts; None if unlimited."""
    epochs: int | None = None
    """Epochs of all trials together; None if unlimited."""

    @classmethod
    def of(cls, plan: Plan | RecordedPlan) -> Limits:
        """The plan's budget, or the size of its grid if that is smaller."""
        return cls(plan.max_trials, plan.budget.wall_time, plan.budget.epochs)


class Leader(NamedTuple):
    """The best so far."""

    score: float
    """In the unit of the metric."""
    name: str
    """As it is shown: "trial 12"."""
    sampled: Mapping[str, Any]
    """The hyperparameters that the search chose for it; empty for a candidate of a confirmation."""


@dataclass
class TrialProgress:
    """How far one trial is."""

    number: int
    """The trial's number."""
    sampled: Mapping[str, Any]
    """The hyperparameters that the search chose, by name."""
    epochs_planned: int
    """Total number of epochs of its recipe."""
    epochs_trained: int = 0
    """Epochs recorded so far."""
    state: State = State.RUNNING
    """Its state now."""
    score: float | None = None
    """After the last epoch, in the unit of the metric; None before the first."""
    error: str | None = None
    """Why it failed or diverged; None otherwise."""
    same_as: int | None = None
    """The earlier trial with the same recipe, whose result this one got; None if it was trained."""
    epochs: list[Epoch] = field(default_factory=list)
    """Those of this start, if the plan has bounds of metrics."""
    breaks: bool = False
    """Whether it has ended and breaks one of them."""

    @property
    def length(self) -> int:
        """Epochs to its end: those of its recipe, unless the trainable ended it earlier."""
        ended_itself = self.state is State.COMPLETE and self.same_as is None
        return self.epochs_trained if ended_itself else self.epochs_planned


@dataclass
class _EpochRate:
    """How long epochs take, and how often they are reported."""

    count: int = 0
    """Number of epochs reported so far."""
    seconds: float = 0.0
    """Sum of the epochs' own durations."""
    first: float | None = None
    """When the first was reported, by the clock of the progress; None before."""
    last: float = 0.0
    """When the last was reported, by the same clock; 0 before."""

    def add(self, seconds: float, now: float) -> None:
        self.count, self.seconds, self.last = self.count + 1, self.seconds + seconds, now
        self.first = now if self.first is None else self.first

    def per_epoch(self, workers: int) -> float | None:
        """Seconds from one epoch of the search to the next; None before the first.

        This is the mean duration divided by the number of workers, or the mean interval between reports if
        that is longer: with short epochs, starting trials takes longer than training them.
        """
        if self.first is None:
            return None
        interval = (self.last - self.first) / (self.count - 1) if self.count > 1 else 0.0
        return max(self.seconds / self.count / workers, interval)


@dataclass
class Progress:
    """The progress of one search. First `add_earlier` what earlier starts left, then `update` with each
    event."""

    name: str
    """Name of the run."""
    metric: Metric
    """What trials are ranked by."""
    limits: Limits
    """The budget."""
    epochs: int
    """Epochs of a trial that is not stopped early, by the plan."""
    clock: Callable[[], float] = time.monotonic
    """Seconds since any fixed moment."""
    constraints: Constraints = field(default_factory=Constraints)
    """What trials must keep to be the best."""
    trials: dict[int, TrialProgress] = field(default_factory=dict)
    """By number. Interrupted trials of earlier starts are missing until they are started again."""
    started: Started | None = None
    """The event of this start; None before it."""
    ended: Ended | None = None
    """The event of its end; None before it."""
    notice: str = ""
    """A sentence about something other than training; empty if there is none."""
    order: Sequence[str] = ()
    """The hyperparameters of the plan's space, in its order; empty if the trials alone tell them."""

    stage: ClassVar[Literal["search", "confirmation"]] = "search"
    """Its name in events."""
    noun: ClassVar[str] = "trial"
    """What one of its trainings is called."""

    def __post_init__(self) -> None:
        self._created = self.clock()
        self._workers_up: float | None = None
        self._earlier_seconds = 0.0
        self._stopped: set[int] = set()  # ended or paused in this start
        self._epochs_trained = 0
        self._rate = _EpochRate()
        self._finished: dict[int, TrialProgress] = {}

    @classmethod
    def of(cls, plan: Plan, clock: Callable[[], float] = time.monotonic) -> Self:
        """The progress of a search that has not started."""
        epochs = plan.default_recipe.epochs
        order = plan.space.names
        return cls(plan.name, plan.objective, Limits.of(plan), epochs, clock, plan.constraints, order=order)

    def add_earlier(self, sweep: Sweep) -> None:
        """Add the trials and the time of earlier starts of this run."""
        self._earlier_seconds = sweep.seconds
        for trial in sweep.trials:
            progress = _progress_of(trial, self.epochs)
            self._epochs_trained += progress.epochs_trained
            if trial.state in (State.RUNNING, State.INTERRUPTED):
                continue  # added when it is started again
            self.trials[trial.number] = progress
            if trial.state.is_finished():
                self._finished[trial.number] = progress

    def add_finished(self, trial: Trial, sampled: Mapping[str, Any]) -> None:
        """Add one trial that finished earlier. sampled: what distinguishes it from the others."""
        progress = replace(_progress_of(trial, self.epochs), sampled=sampled)
        self._epochs_trained += progress.epochs_trained
        self.trials[trial.number] = self._finished[trial.number] = progress

    def update(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case Note():
                self.notice = event.sentence
            case Started():
                self.started, self._workers_up = event, self.clock()
                self._epochs_trained = event.epochs
            case ClusterResized() if self.started is not None:
                self.started = replace(self.started, workers=event.workers, hosts=event.hosts)
                self.notice = f"the cluster changed: now {event.workers} trials at once"
            case TrialStarted():
                self._stopped.discard(event.number)  # it was paused
                self.trials[event.number] = TrialProgress(
                    event.number, event.sampled, event.epochs, epochs_trained=event.resumed_from
                )
            case EpochReported():
                self._epochs_trained += 1
                self._rate.add(event.epoch.seconds, self.clock())
                trial = self.trials[event.number]
                trial.epochs_trained, trial.score = event.epoch.number, event.score
                if self.constraints.bounds:
                    trial.epochs.append(event.epoch)
            case TrialPaused():
                self.trials[event.number].state = State.PAUSED
                self._stopped.add(event.number)
            case TrialEnded():
                trial = self.trials.setdefault(event.number, TrialProgress(event.number, {}, self.epochs))
                self._stopped.add(event.number)
                trial.state, trial.epochs_trained = event.state, event.epochs
                trial.score, trial.error, trial.same_as = event.score, event.error, event.same_as
                if trial.epochs:
                    values = self.constraints.values(trial.epochs, self.metric)
                    trial.breaks, trial.epochs = self.constraints.excess(values) > 0, []
                self._finished[event.number] = trial
            case Ended():
                self.ended = event

    @property
    def running(self) -> list[TrialProgress]:
        """The trials in training, by number."""
        return [trial for _, trial in sorted(self.trials.items()) if trial.state is State.RUNNING]

    @property
    def finished(self) -> list[TrialProgress]:
        """The trials that have ended, in the order of their ends."""
        return list(self._finished.values())

    @property
    def done(self) -> int:
        """Number of trials that have ended or are paused."""
        return sum(trial.state is not State.RUNNING for trial in self.trials.values())

    @property
    def best(self) -> TrialProgress | None:
        """The best COMPLETE trial that keeps the plan's constraints, in a tie the earliest, like
        `search.records.sweep.Sweep.best`; None before there is one."""
        best: TrialProgress | None = None
        for trial in sorted(self._finished.values(), key=lambda finished: finished.number):
            if trial.state is not State.COMPLETE or trial.score is None or trial.same_as is not None:
                continue
            if trial.breaks:
                continue
            if best is None or best.score is None or self.metric.better(trial.score, best.score):
                best = trial
        return best

    @property
    def leader(self) -> Leader | None:
        """What is shown as the best so far; None before there is one."""
        best = self.best
        if best is None or best.score is None:
            return None
        return Leader(best.score, f"trial {best.number}", best.sampled)

    @property
    def epochs_saved(self) -> int:
        """Epochs that pruning saved, over all trials. Where every trial ends before its recipe's last epoch,
        as the trainable decides, a pruned one is taken to be as long as the longest of them."""
        trained = [trial for trial in self._finished.values() if trial.same_as is None]
        complete = [trial for trial in trained if trial.state is State.COMPLETE]
        early = complete and all(trial.length < trial.epochs_planned for trial in complete)
        longest = max(trial.length for trial in complete) if early else sys.maxsize
        pruned = [trial for trial in trained if trial.state is State.PRUNED]
        return sum(max(0, min(trial.epochs_planned, longest) - trial.epochs_trained) for trial in pruned)

    @property
    def elapsed(self) -> float:
        """Seconds since this start."""
        return self.clock() - self._created

    @property
    def spent(self) -> float:
        """Seconds of wall time over all starts, including this one."""
        return self._earlier_seconds + self.elapsed

    @property
    def trials_per_hour(self) -> float | None:
        """Measured since the workers are up; None before the first trial has ended."""
        if self._workers_up is None or not self._stopped:
            return None
        seconds = self.clock() - self._workers_up
        return 3600 * len(self._stopped) / seconds if seconds > 0 else None

    @property
    def share_spent(self) -> float:
        """How much of the budget is spent, 0 to 1, by the limit that is closest."""
        spent = (self.done, self.spent, self._epochs_trained)
        shares = [amount / limit for amount, limit in zip(spent, self.limits, strict=True) if limit]
        return min(1.0, max(shares, default=0.0))

    @property
    def epochs_trained(self) -> int:
        """Of all trials, over all starts."""
        return self._epochs_trained

    @property
    def remaining(self) -> float | None:
        """Seconds until the first limit is reached, estimated from the epochs so far; None while unknown."""
        workers = max(1, self.started.workers) if self.started else 1
        per_epoch = self._rate.per_epoch(workers)
        estimates = []
        if self.limits.wall_time is not None:
            estimates.append(self.limits.wall_time - self.spent)
        if self.limits.epochs is not None and per_epoch is not None:
            estimates.append(per_epoch * (self.limits.epochs - self._epochs_trained))
        if self.limits.trials is not None and per_epoch is not None:
            # When fewer trials than workers are left, some workers are idle.
            waiting = max(0, self.limits.trials - len(self.trials))
            slowdown = max(1.0, workers / max(1, waiting + len(self.running)))
            estimates.append(per_epoch * slowdown * self._epochs_to_go(waiting))
        # Before the first epoch only the wall time is known, and it is rarely the limit that ends a search.
        all_known = len(estimates) == sum(limit is not None for limit in self.limits)
        return max(0.0, min(estimates)) if estimates and all_known else None

    def _epochs_to_go(self, waiting: int) -> float:
        """Epochs that the running and waiting trials are expected to train, from the mean of those that
        ended."""
        ended = [trial.epochs_trained for trial in self.trials.values() if trial.state is not State.RUNNING]
        usual = sum(ended) / len(ended) if ended else float(self.epochs)
        return waiting * usual + sum(_to_go(trial, usual) for trial in self.running)


def _to_go(trial: TrialProgress, usual: float) -> float:
    """Epochs that a running trial is expected to train. Beyond the usual number it has survived its
    pruner."""
    if trial.epochs_trained < usual:
        return min(usual, trial.epochs_planned) - trial.epochs_trained
    return trial.epochs_planned - trial.epochs_trained


def _progress_of(trial: Trial, planned: int) -> TrialProgress:
    # A trial that was abandoned because the plan changed saved nothing by pruning.
    epochs = len(trial.epochs) if trial.abandoned else trial.recipe.get("epochs", planned)
    return TrialProgress(
        trial.number,
        trial.sampled,
        int(epochs),
        len(trial.epochs),
        trial.state,
        trial.score,
        trial.error,
        trial.same_as,
        breaks=trial.excess > 0,
    )
