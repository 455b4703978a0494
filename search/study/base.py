"""The study: the trials of one journal, and what is written of them while they are trained.

A search draws its trials, a confirmation repeats some of them; both keep a study. Every question
and answer is on disk, whole, before anything acts on it, so a process that dies at any moment leaves
a study that the next one continues.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import Journal
from search.records.lease import guard
from search.records.sweep import State
from trainable.assignment import TrialReport
from trainable.epoch import Epoch

STUDY = "benchsweep"


@dataclass(frozen=True)
class Suggestion:
    """A trial to train. recipe: JSON, complete. epochs: the recipe's. sampled: what was chosen of
    it. reported: epochs already on record, more than 0 when it is continued."""

    number: int
    recipe: str
    epochs: int
    sampled: Mapping[str, Any]
    reported: int


@dataclass(frozen=True)
class SettledTrial:
    """A trial that needs no training: its end is on record. FAILED: the trainable's Recipe refused
    the draw, as `error` says. PRUNED or COMPLETE: the same recipe was trained as trial `same_as`.
    PRUNED without: it was interrupted, and what is asked now does not ask for it."""

    number: int
    sampled: Mapping[str, Any]
    state: State
    score: float | None = None
    error: str | None = None
    same_as: int | None = None


class Study(ABC):
    """An open study. Its run must be owned (`search.records.lock.owning`): it writes."""

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan = plan
        self._began = datetime.now(UTC)
        self._session = 0
        self._journal = Journal(run.journal, guard(run.owned))
        self._storage = JournalStorage(self._journal)
        if not self._storage.get_all_studies():
            self._found()
        self._optuna_study = optuna.load_study(storage=self._storage, study_name=STUDY)
        self._live: dict[int, optuna.trial.Trial] = {}
        self._sizes: list[list[float]] = []
        trials = self._optuna_study.get_trials(deepcopy=False)
        self._started = len(trials)
        self.epochs = sum(
            len(trial.intermediate_values) for trial in trials if "same_as" not in trial.user_attrs
        )
        self.finished = sum(trial.state.is_finished() for trial in trials)
        self._interrupted = [trial for trial in trials if trial.state is TrialState.RUNNING]
        stored = self._optuna_study.user_attrs
        self._session = sum(key.startswith("session:") for key in stored)
        self.seconds_before = sum(
            value["seconds"] for key, value in stored.items() if key.startswith("session:")
        )

    def _found(self) -> None:
        metric = self.plan.metric
        with self.transaction():
            study = optuna.create_study(storage=self._storage, study_name=STUDY, direction=metric.direction)
            study.set_user_attr(
                "metric", {"name": metric.name, "direction": metric.direction, "unit": metric.unit}
            )
            self._founded(study)

    @abstractmethod
    def _founded(self, study: optuna.Study) -> None:
        """Write what a new study begins with."""

    @abstractmethod
    def ask(self) -> Suggestion | SettledTrial | Literal["later"] | None:
        """The next trial to train, or one that needs no training; "later" when that depends on
        trials that are being trained; None when there is no more."""

    @property
    @abstractmethod
    def most(self) -> int | None:
        """So many trainings there are to be at most; None for no limit."""

    @abstractmethod
    def spent(self, seconds: float = 0.0) -> str | None:
        """Why all is done and nothing may go on, as a sentence; None while it is not.
        seconds: how long this start has lived."""

    @abstractmethod
    def settle(self) -> None:
        """Record that all is done, where no start lived to do so."""

    @abstractmethod
    def _stops(self, trial: optuna.trial.Trial, known: FrozenTrial) -> bool:
        """Whether a trial, an epoch of which was just recorded, is to be stopped early. Asked once
        for each epoch, and not after the last one."""

    @abstractmethod
    def _wanted(self, frozen: FrozenTrial) -> str | None:
        """Why an interrupted trial is not to be continued, as a sentence; None when it is."""

    @abstractmethod
    def _sampled(self, frozen: FrozenTrial) -> Mapping[str, Any]:
        """What a trial is told apart by, for whoever watches."""

    @abstractmethod
    def _ended(self, number: int) -> None:
        """Learn that a trial's end was recorded."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is recorded inside is on disk at its end, or none of it. After an exception
        the study must not be used any more."""
        with self._journal.transaction():
            yield

    @property
    def session(self) -> int:
        """0 for the first start, 1 for its first resume."""
        return self._session

    def begin_session(self, environment: Mapping[str, Any], seconds: float = 0.0) -> None:
        """Record that this start trains, on what, and how long it took to come to it (seconds): trials
        tell by which start they were trained."""
        with self.transaction():
            self._optuna_study.set_user_attr(f"environment:{self._session:04d}", dict(environment))
            self.note_session(seconds, "")

    def note_session(self, seconds: float, ended: str) -> None:
        """Record how long this start has lived (seconds), and how it ended ("" while it lives)."""
        value = {"started": self._began.isoformat(), "seconds": round(seconds, 3), "ended": ended}
        self._optuna_study.set_user_attr(f"session:{self._session:04d}", value)

    def resize(self, seconds: float, workers: int) -> None:
        """Record that from now on so many trials run at once. seconds: how long this start has lived."""
        self._sizes.append([round(seconds, 3), workers])
        self._optuna_study.set_user_attr(f"sizes:{self._session:04d}", list(self._sizes))

    @property
    def idle(self) -> bool:
        """Whether no trial is being trained or waits to be continued."""
        return not self._live and not self._interrupted

    def is_live(self, number: int) -> bool:
        """Whether the trial was asked in this start and has no end yet."""
        return number in self._live

    def _again(self, frozen: FrozenTrial) -> Suggestion | SettledTrial:
        """Continue a trial that its process left behind."""
        trial = optuna.trial.Trial(self._optuna_study, frozen._trial_id)
        recipe, sampled = frozen.user_attrs["recipe"], self._sampled(frozen)
        if (reason := self._wanted(frozen)) is not None:
            trial.set_user_attr("abandoned", reason)
            self._tell(frozen.number, trial, TrialState.PRUNED)
            return SettledTrial(frozen.number, sampled, State.PRUNED, self.score(frozen.number))
        anew = frozen.user_attrs["session"] != self._session
        if anew:
            trial.set_user_attr("session", self._session)
        reported = max(frozen.intermediate_values, default=0)
        if reported and anew:
            trial.set_user_attr("resumed_from", [*frozen.user_attrs.get("resumed_from", []), reported])
        self._live[frozen.number] = trial
        return Suggestion(frozen.number, json.dumps(recipe), int(recipe["epochs"]), sampled, reported)

    def send(self, number: int, device: str) -> None:
        """Write down on which device a trial is trained, where the trials of one search differ in that."""
        before = self._frozen(number).user_attrs.get("device")
        with self.transaction():
            if before not in (None, device) and (epochs := self.epochs_of(number)):
                self.note(number, f"it was trained on {before} up to epoch {epochs}, then on {device}")
            self._live[number].set_user_attr("device", device)

    def put_back(self, number: int) -> None:
        """Let a trial that nobody trains any more be asked again, before new ones are."""
        del self._live[number]
        self._interrupted.append(self._frozen(number))

    def record(self, number: int, epoch: Epoch, worker: str) -> bool | None:
        """Write down an epoch. Returns whether the trial is to be stopped, in which case it already
        is PRUNED on record; None for an epoch that was on record before."""
        trial, known = self._live[number], self._frozen(number)
        if epoch.number in known.intermediate_values:
            return None
        with self.transaction():  # an epoch without its verdict would never be judged again
            self.place(number, worker, epoch.seconds)
            trial.report(epoch.metrics[self.plan.metric.name], epoch.number)
            self.epochs += 1
            if epoch.number >= known.user_attrs["recipe"]["epochs"] or not self._stops(trial, known):
                return False
            self.end(number, State.PRUNED)
            return True

    def place(self, number: int, worker: str, seconds: float = 0.0) -> None:
        """Write down, where it is new, which worker trains a trial. seconds: how long it has trained
        what it tells now."""
        held = self._frozen(number).user_attrs.get("placements", [])
        if held and (held[-1]["worker"], held[-1]["session"]) == (worker, self._session):
            return
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        placed = {
            "worker": worker,
            "session": self._session,
            "epoch": self.epochs_of(number),
            "since": since.isoformat(timespec="milliseconds"),
        }
        self._live[number].set_user_attr("placements", [*held, placed])

    def trained(self, report: TrialReport) -> None:
        """Write down what a training came to, beside its epochs: by that it is known again."""
        trial = self._live[report.number]
        for name in ("recipe_sha256", "weights_sha256", "parameters"):
            if (value := getattr(report, name)) is not None:
                trial.set_user_attr(name, value)

    def end(self, number: int, state: State, error: str | None = None) -> None:
        """Write down what became of a trial: COMPLETE (its score is that of its last epoch),
        PRUNED, DIVERGED or FAILED (with the sentence that says why)."""
        trial = self._live.pop(number)
        with self.transaction():
            if state is State.FAILED:
                self._fail(number, trial, error or "it raised")
            else:
                if state is State.DIVERGED:
                    # Told as PRUNED, which TPE ranks behind every COMPLETE trial; failed ones it ignores.
                    trial.set_user_attr("diverged", error)
                told = TrialState.COMPLETE if state is State.COMPLETE else TrialState.PRUNED
                self._tell(number, trial, told, self.score(number))
        self._ended(number)

    def _tell(
        self, number: int, trial: optuna.trial.Trial, state: TrialState, score: float | None = None
    ) -> None:
        self._optuna_study.tell(trial, score if state is TrialState.COMPLETE else None, state=state)
        self.finished += 1

    def _fail(self, number: int, trial: optuna.trial.Trial, error: str) -> None:
        trial.set_user_attr("error", error)
        self._tell(number, trial, TrialState.FAIL)

    def note(self, number: int, sentence: str) -> None:
        """Write down something a reader of the trial should know."""
        notes = self._frozen(number).user_attrs.get("notes", [])
        self._live[number].set_user_attr("notes", [*notes, sentence])

    def score(self, number: int) -> float | None:
        """The metric after the trial's last epoch on record."""
        values = self._frozen(number).intermediate_values
        return values[max(values)] if values else None

    def epochs_of(self, number: int) -> int:
        """How many epochs of the trial are on record."""
        return len(self._frozen(number).intermediate_values)

    def _frozen(self, number: int) -> FrozenTrial:
        # The journal holds this study alone, so its trials' ids are their numbers.
        return self._storage.get_trial(number)
