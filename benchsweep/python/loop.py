"""Ask and tell: a run whose trials are trained by a program of its own, recorded like any other."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchsweep.python.given import plan_of_arguments
from search.cluster.access import Site
from search.engine.driver import pop_stop_request
from search.engine.local import LocalEngine
from search.engine.search import Search
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import plan_of, starting
from search.study.base import SettledTrial, Suggestion
from trainable.assignment import TrialReport
from trainable.contract import ASKED, data_folder, recipe_sha256, trained_elsewhere
from trainable.epoch import Diverged, Epoch
from trainable.errors import InputError
from trainable.storage.epochs import EpochLog
from trainable.user_code import check_finite

_INTERVAL = 30.0
"""Seconds between two records of how long the loop has been running, at least."""


class CannotAsk(InputError):
    """The loop is closed, or the run is not one that asks and tells."""


class CannotTell(InputError):
    """What was told is no result of a trial that is being trained."""


@dataclass(frozen=True)
class Asked:
    """A trial to train."""

    number: int
    """The trial's."""
    recipe: Mapping[str, Any]
    """All hyperparameters, with `seed` and `epochs`."""
    sampled: Mapping[str, Any]
    """Those that the sampler chose."""
    reported: int
    """Epochs that are on record already; more than 0 for a trial that was interrupted."""
    _loop: Loop = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.recipe[name]

    def report(self, metrics: float | Mapping[str, float], seconds: float | None = None) -> bool:
        """Records an epoch: the metric alone, or metrics by name. Returns whether to go on: False after the
        last epoch of the recipe, when the trial is COMPLETE, and where the pruner stopped it, as PRUNED.

        seconds: how long the epoch took; since the last report if left out. Raises CannotTell.
        """
        return self._loop.report(self.number, metrics, seconds)


class Loop:
    """An open run. `ask` for a trial, train it, `tell` its result. Each answer is on disk before it is given:
    after a kill, the same trials are asked again under their own numbers.

    The run is owned until `close`, or the end of the `with` block or of the process. Several threads may use
    it.
    """

    def __init__(self, run: RunFolder, search: Search, resources: ExitStack) -> None:
        """search: of a run that is owned. resources: closed at the end, which releases the run."""
        self.run = run
        """The run's folder."""
        self._study, self._resources = search.study, resources
        self._began = time.monotonic()
        self._noted = 0.0
        self._since: dict[int, float] = {}
        self._lock = threading.RLock()
        self._open = True
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._begun = self._study.spent() is None
        if not self._begun:
            self._study.settle()
        else:
            search.begin(LocalEngine(search.plan.resources).slots.cluster, 0.0)

    def ask(self) -> Asked | None:
        """The next trial; first those that were interrupted. None once the budget is spent, or after
        `benchsweep stop`. Raises CannotAsk."""
        with self._recording():
            while not self._over():
                suggestion = self._study.ask()
                if suggestion == "later":
                    raise CannotAsk(
                        'with order = "strict", a trial is chosen by earlier ones that are not told yet',
                        "tell them first",
                    )
                if suggestion is None:
                    return None
                if isinstance(suggestion, SettledTrial):  # it repeats another one's recipe
                    continue
                return self._asked(suggestion)
        return None

    def tell(
        self,
        trial: Asked | int,
        metrics: float | Mapping[str, float] | None = None,
        *,
        error: str | None = None,
        pruned: bool = False,
    ) -> State:
        """Records the end of a trial. Returns its state: COMPLETE, or DIVERGED if the metric is not finite.

        metrics: of its last epoch, the metric alone or metrics by name; None if that was reported. error: why
        it FAILED, in place of metrics. pruned: whether the program stopped it early. Raises CannotTell.
        """
        number = trial.number if isinstance(trial, Asked) else trial
        with self._recording():
            self._check_live(number)
            if metrics is not None:
                epoch = self._epoch(number, metrics, None)
                whole = not pruned and error is None
                return self._take(number, epoch, last=whole, error=error, pruned=pruned)
            if error is None and not pruned and not self._study.epochs_of(number):
                raise CannotTell(f"trial {number} must have a result to be complete, but has none", "tell it")
            return self._end(number, _state(error, pruned), error)

    def report(self, number: int, metrics: float | Mapping[str, float], seconds: float | None = None) -> bool:
        """The same as `Asked.report`, for the trial of that number."""
        with self._recording():
            self._check_live(number)
            epoch = self._epoch(number, metrics, seconds)
            last = epoch.number >= int(self._study.recipe_of(number)["epochs"])
            return self._take(number, epoch, last=last) is State.RUNNING

    @property
    def sweep(self) -> Sweep:
        """The run so far."""
        from reports.notebook import Sweep as Shown  # pandas and plotly would delay the first trial

        return Shown.read(self.run.path)

    def close(self) -> None:
        """Release the run. Trials that were not told are asked again when it is opened the next time."""
        with self._lock:
            if self._open:
                self._open = False
                if self._begun:
                    ended = "interrupted" if self._study.spent(self._seconds) is None else "budget"
                    self._study.note_session(self._seconds, ended)
                self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Asked]:
        """Trial after trial, until the budget is spent."""
        while (trial := self.ask()) is not None:
            yield trial

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """One call. Nothing is written after a failed write, since the study in memory is then ahead of its
        journal."""
        with self._lock:
            if not self._open:
                raise CannotAsk(
                    f"the loop of {self.run.name} is closed",
                    f"open it again: benchsweep.open({self.run.name!r})",
                )
            try:
                yield
            except InputError:  # found before anything was written
                raise
            except BaseException:
                self._open = False
                self._resources.close()
                raise

    def _over(self) -> bool:
        if self._study.spent(self._seconds) is not None:
            return True
        if self._seconds - self._noted > _INTERVAL:
            self._noted = self._seconds
            self._study.note_session(self._seconds, "")
        if pop_stop_request(self.run) is not None:
            self.close()
            return True
        return False

    def _asked(self, suggestion: Suggestion) -> Asked:
        self._since[suggestion.number] = time.monotonic()
        return Asked(
            suggestion.number, json.loads(suggestion.recipe), suggestion.sampled, suggestion.reported, self
        )

    def _check_live(self, number: int) -> None:
        if not self._study.is_live(number):
            raise CannotTell(
                f"only a trial that was asked for and has not ended can be told, but trial {number} is not",
                "ask for it first",
            )

    def _epoch(self, number: int, metrics: float | Mapping[str, float], seconds: float | None) -> Epoch:
        """What was told, as the trial's next epoch. Raises CannotTell."""
        name = self._study.plan.objective.name
        values = dict(metrics) if isinstance(metrics, Mapping) else {name: metrics}
        if name not in values:
            raise CannotTell(f"what is told must have the metric {name!r}, but has {list(values)}")
        now = time.monotonic()
        passed = now - self._since.get(number, now) if seconds is None else seconds
        try:
            epoch = Epoch(self._study.epochs_of(number) + 1, values, passed)
        except (TypeError, ValueError) as error:
            raise CannotTell(str(error)) from error
        self._since[number] = now
        return epoch

    def _take(
        self, number: int, epoch: Epoch, *, last: bool, error: str | None = None, pruned: bool = False
    ) -> State:
        """Record an epoch and, after the last one, the end. Returns the state of the trial."""
        study = self._study
        try:
            check_finite(epoch, study.plan.objective)
        except Diverged as diverged:
            return self._end(number, State.DIVERGED, str(diverged))
        folder = self.run.trial(number).path
        folder.mkdir(parents=True, exist_ok=True)
        EpochLog(folder).append(epoch)
        with study.transaction():  # a trial's last epoch and its end are one
            stopped = study.record(number, epoch, self._worker, last)
            if stopped is not None:
                return stopped
            if last or pruned or error is not None:
                return self._end(number, _state(error, pruned), error)
        return State.RUNNING

    def _end(self, number: int, state: State, error: str | None) -> State:
        study = self._study
        with study.transaction():
            if state is State.COMPLETE:
                digest = recipe_sha256(study.recipe_of(number))
                study.note_result(TrialReport(number, self._worker, outcome="COMPLETE", recipe_sha256=digest))
            elif not study.epochs_of(number):
                study.note_worker(number, self._worker)
            study.end(number, state, error)
        return state


def _state(error: str | None, pruned: bool) -> State:
    """In which a trial ends whose metric is finite."""
    return State.FAILED if error is not None else State.PRUNED if pruned else State.COMPLETE


def opened(
    name: str,
    runs: Path,
    *,
    minimize: str | None,
    maximize: str | None,
    given: Mapping[str, Any],
) -> Loop:
    """The loop of a new run with this plan, or of the run of that name. Raises PlanError, PlanDiffers,
    RunOwned, and CannotAsk for a run that trains by itself."""
    run = RunFolder.named(name, runs)
    plan = None
    if not run.begun or any(value is not None for value in (minimize, maximize, *given.values())):
        settings = {"confirmation": False, **given}
        plan = plan_of_arguments(ASKED, name=name, minimize=minimize, maximize=maximize, given=settings)

    def of_run(sweep: Sweep) -> Plan:
        if not trained_elsewhere(sweep.plan.trainable):
            raise CannotAsk(
                f"{name} trains {sweep.plan.trainable} itself, so that nobody else may tell its results",
                f"continue it with benchsweep.resume({name!r})",
            )
        return plan_of(sweep) if plan is None else plan

    with ExitStack() as stack:
        begun = plan if plan is not None and not run.begun else of_run
        search = stack.enter_context(starting(run, begun, data_folder(), Site(local=True)))
        return Loop(run, search, stack.pop_all())
