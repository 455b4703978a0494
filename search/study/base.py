"""The study: the trials of one journal, and what is written about them while they are trained.

A search samples its trials, a confirmation repeats some of them; both keep a study. Every suggestion and
every result is on disk before it has any effect, so a process that dies at any moment can be resumed.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from search.plan.plan import Plan
from search.records import schema
from search.records.folder import RunFolder
from search.records.journal import StudyStorage
from search.records.lease import write_guard
from search.records.trial import State
from trainable.assignment import TrialReport
from trainable.epoch import Epoch


@dataclass(frozen=True)
class Suggestion:
    """A trial to train."""

    number: int
    """The trial's."""
    recipe: str
    """The complete recipe as JSON."""
    epochs: int
    """The recipe's."""
    sampled: Mapping[str, Any]
    """What was chosen of the recipe."""
    reported: int
    """Epochs already on record; more than 0 if the trial is continued."""


@dataclass(frozen=True)
class SettledTrial:
    """A trial that is over without being trained now: its outcome is on record."""

    number: int
    """The trial's."""
    sampled: Mapping[str, Any]
    """What was chosen of its recipe."""
    state: State
    """FAILED: the trainable refused the recipe. Otherwise the state of the trial that it repeats, or PRUNED
    if it was interrupted and the plan excludes it now."""
    score: float | None = None
    """The metric; None if it has none."""
    error: str | None = None
    """Why it FAILED or DIVERGED; None otherwise."""
    same_as: int | None = None
    """The trial with the same recipe whose outcome it took; None if there is none."""


class Study(ABC):
    """An open study. This process must own its run (`search.records.lock.owning`)."""

    samples: ClassVar[bool] = False
    """Whether its recipes are chosen by a sampler: if the first ones all fail alike, the code is at fault."""

    def __init__(self, run: RunFolder, plan: Plan, journal: StudyStorage | None = None) -> None:
        """journal: the study's, if it is open already; else it is opened here."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan = plan
        self._began = datetime.now(UTC)
        self._session = 0
        self.journal = journal or StudyStorage(run.journal, write_guard(run.owned))
        """The study's journal: `Sweep.read` takes it, so that nothing is replayed twice."""
        if not self.journal.get_all_studies():
            self._create()
        self._optuna_study = optuna.load_study(storage=self.journal, study_name=schema.STUDY_NAME)
        self._live: dict[int, optuna.trial.Trial] = {}
        self._sizes: list[list[float]] = []
        trials = self._optuna_study.get_trials(deepcopy=False)
        self._started = len(trials)
        self.epochs = sum(
            len(trial.intermediate_values) for trial in trials if schema.SAME_AS not in trial.user_attrs
        )
        """Epochs trained so far, all trials together."""
        self.finished = sum(trial.state.is_finished() for trial in trials)
        """Trials that are over."""
        unfinished = [trial for trial in trials if trial.state is TrialState.RUNNING]
        self._interrupted = [trial for trial in unfinished if not schema.is_paused(trial.user_attrs)]
        self._paused = {trial.number for trial in unfinished if schema.is_paused(trial.user_attrs)}
        sessions = schema.SESSIONS.read(self._optuna_study.user_attrs)
        self._session = len(sessions)
        self.seconds_before = sum(session["seconds"] for session in sessions.values())
        """Total duration of earlier starts."""

    def _create(self) -> None:
        metric = self.plan.objective
        with self.transaction():
            study = optuna.create_study(
                storage=self.journal, study_name=schema.STUDY_NAME, direction=metric.direction
            )
            study.set_user_attr(schema.METRIC, metric.to_json())
            self._initialize(study)

    @abstractmethod
    def _initialize(self, study: optuna.Study) -> None:
        """Write what a new study begins with."""

    @abstractmethod
    def ask(self) -> Suggestion | SettledTrial | Literal["later"] | None:
        """The next trial to train, or one that needs no training; "later" if that depends on trials that
        are being trained; None if there are no more."""

    def draw_ahead(self) -> None:
        """Draw new trials while others train, if drawing takes time. Each then depends on what was on record
        when it was drawn, so call it only where several trials are trained at once."""
        return

    def stop_drawing(self) -> None:
        """Draw none any more."""
        return

    @property
    @abstractmethod
    def max_trainings(self) -> int | None:
        """Maximum number of trainings; None if unlimited."""

    @abstractmethod
    def spent(self, seconds: float = 0.0) -> str | None:
        """Why no more training is needed, as a sentence; None if some is. seconds: how long this start has
        been running."""

    @abstractmethod
    def settle(self) -> list[SettledTrial]:
        """Record that no more training is needed, in case the last start was killed before it could. Returns
        the trials that were paused, and are PRUNED now."""

    @abstractmethod
    def _should_prune(self, trial: optuna.trial.Trial, frozen: FrozenTrial) -> bool:
        """Whether to stop a trial early after the epoch that was just recorded. Called once for each epoch,
        and not for the last one. frozen: the trial before that epoch."""

    @abstractmethod
    def _why_abandon(self, frozen: FrozenTrial) -> str | None:
        """Why an interrupted trial is not to be continued, as a sentence; None if it is."""

    @abstractmethod
    def _sampled(self, frozen: FrozenTrial) -> Mapping[str, Any]:
        """What distinguishes a trial from the others, to be shown."""

    @abstractmethod
    def _on_end(self, number: int) -> None:
        """Called once the end of a trial is on record."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything recorded inside at once, when the block ends. After an exception the study must
        not be used any more."""
        with self.journal.transaction():
            yield

    @property
    def session(self) -> int:
        """The number of this start: 0 for the first, 1 for its first resume."""
        return self._session

    def begin_session(self, environment: Mapping[str, Any], seconds: float = 0.0) -> None:
        """Record that this start begins to train. environment: what it runs on. seconds: how long it
        has been running."""
        with self.transaction():
            self._optuna_study.set_user_attr(schema.ENVIRONMENTS.key(self._session), dict(environment))
            self.note_session(seconds, "")

    def note_session(self, seconds: float, ended: str) -> None:
        """Record how long this start has been running (seconds), and how it ended ("" while it runs)."""
        start = {"started": self._began.isoformat(), "seconds": round(seconds, 3), "ended": ended}
        self._optuna_study.set_user_attr(schema.SESSIONS.key(self._session), start)

    def note_workers(self, seconds: float, workers: int) -> None:
        """Record how many trials can now run at once. seconds: how long this start has been running."""
        self._sizes.append([round(seconds, 3), workers])
        self._optuna_study.set_user_attr(schema.SIZES.key(self._session), list(self._sizes))

    @property
    def idle(self) -> bool:
        """Whether no trial is being trained, waits to be continued, or is paused."""
        return not (self._live or self._interrupted or self._paused)

    def is_live(self, number: int) -> bool:
        """Whether this start suggested the trial and it has not ended."""
        return number in self._live

    def _resume(self, frozen: FrozenTrial) -> Suggestion | SettledTrial:
        """Continue an interrupted or paused trial, or abandon it."""
        trial = optuna.trial.Trial(self._optuna_study, frozen._trial_id)
        attributes, sampled = frozen.user_attrs, self._sampled(frozen)
        paused = schema.is_paused(attributes)
        self._paused.discard(frozen.number)
        recipe = attributes[schema.RECIPE]
        if (reason := self._why_abandon(frozen)) is not None:
            self._abandon(trial, reason)
            return SettledTrial(frozen.number, sampled, State.PRUNED, self.score(frozen.number))
        from_earlier_start = attributes[schema.SESSION] != self._session
        if from_earlier_start:
            trial.set_user_attr(schema.SESSION, self._session)
        reported = max(frozen.intermediate_values, default=0)
        if paused:
            trial.set_user_attr(schema.CONTINUED, len(attributes[schema.PAUSED]))
        if reported and from_earlier_start:
            resumed_from = attributes.get(schema.RESUMED_FROM, [])
            trial.set_user_attr(schema.RESUMED_FROM, [*resumed_from, reported])
        self._live[frozen.number] = trial
        sent = attributes.get(schema.SENT, recipe)
        return Suggestion(frozen.number, json.dumps(sent), int(recipe["epochs"]), sampled, reported)

    def pause(self, number: int) -> None:
        """Record that the pruner pauses a trial after its last epoch on record."""
        frozen = self._frozen(number)
        pauses = frozen.user_attrs.get(schema.PAUSED, [])
        self._live.pop(number).set_user_attr(schema.PAUSED, [*pauses, max(frozen.intermediate_values)])
        self._paused.add(number)

    def prune_paused(self) -> list[SettledTrial]:
        """Record every paused trial as PRUNED. Returns them."""
        with self.transaction():
            return [self._prune_paused(number) for number in sorted(self._paused)]

    def _prune_paused(self, number: int) -> SettledTrial:
        frozen = self._frozen(number)
        self._paused.remove(number)
        self._tell(optuna.trial.Trial(self._optuna_study, frozen._trial_id), TrialState.PRUNED)
        self._on_end(number)
        return SettledTrial(number, self._sampled(frozen), State.PRUNED, self.score(number))

    def _abandon(self, trial: optuna.trial.Trial, reason: str) -> None:
        trial.set_user_attr(schema.ABANDONED, reason)
        self._tell(trial, TrialState.PRUNED)

    def note_device(self, number: int, device: str) -> None:
        """Record on which device a trial is trained, where that differs among the trials of one search."""
        before = self._frozen(number).user_attrs.get(schema.DEVICE)
        with self.transaction():
            if before not in (None, device) and (epochs := self.epochs_of(number)):
                self.note(number, f"it was trained on {before} up to epoch {epochs}, then on {device}")
            self._live[number].set_user_attr(schema.DEVICE, device)

    def requeue(self, number: int) -> None:
        """Let `ask` suggest a trial again, before any new one, because its worker is lost."""
        del self._live[number]
        self._interrupted.append(self._frozen(number))

    def retry(self, number: int, error: str) -> bool:
        """Let `ask` suggest a trial again that raised, from its last epoch, unless it was trained again as
        often as the plan allows. Returns whether it is."""
        attempts = self._frozen(number).user_attrs.get(schema.ATTEMPTS, [])
        if len(attempts) >= (self.plan.resources.retries or 0):
            return False
        epoch = self.epochs_of(number)
        with self.transaction():
            attempt = {"epoch": epoch, "error": error}
            self._live[number].set_user_attr(schema.ATTEMPTS, [*attempts, attempt])
            self.note(number, f"attempt {len(attempts) + 1} raised after epoch {epoch}: {error}")
            self.requeue(number)
        return True

    def recipe_of(self, number: int) -> Mapping[str, Any]:
        """The complete recipe of a trial."""
        recipe: Mapping[str, Any] = self._frozen(number).user_attrs[schema.RECIPE]
        return recipe

    def has_epoch(self, number: int, epoch: int) -> bool:
        """Whether this epoch of a trial is on record."""
        return epoch in self._frozen(number).intermediate_values

    def record(self, number: int, epoch: Epoch, worker: str, over: bool = False) -> State | None:
        """Record an epoch that is not on record. over: whether the training says that it was its last one.
        Returns the state in which the trial is stopped, PRUNED or PAUSED, which is then already recorded;
        None if it goes on."""
        trial, frozen = self._live[number], self._frozen(number)
        with self.transaction():  # the pruner is never asked again about a recorded epoch
            self.note_worker(number, worker, epoch.seconds)
            trial.report(self._score_with(frozen, epoch), epoch.number)
            self.epochs += 1
            last = over or epoch.number >= frozen.user_attrs[schema.RECIPE]["epochs"]
            if last or not self._should_prune(trial, frozen):
                return None
            return self._stop_early(number)

    def _score_with(self, frozen: FrozenTrial, epoch: Epoch) -> float:
        """The score of a trial that ends after this epoch. It is what samplers and pruners see of it."""
        metric = self.plan.objective
        value, earlier = epoch.metrics[metric.name], frozen.intermediate_values
        return metric.best([value, earlier[max(earlier)]]) if metric.take == "best" and earlier else value

    def _stop_early(self, number: int) -> State:
        """Record that the pruner stops a trial. Returns its state."""
        self.end(number, State.PRUNED)
        return State.PRUNED

    def note_worker(self, number: int, worker: str, seconds: float = 0.0) -> None:
        """Record which worker trains a trial, if it is another one than before. seconds: how long it has
        trained already."""
        attributes = self._frozen(number).user_attrs
        placements = attributes.get(schema.PLACEMENTS, [])
        last_pause = attributes.get(schema.PAUSED, [0])[-1]
        last = placements[-1] if placements else None
        if (
            last
            and last["epoch"] >= last_pause
            and (last["worker"], last["session"]) == (worker, self._session)
        ):
            return
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        placement = {
            "worker": worker,
            "session": self._session,
            "epoch": self.epochs_of(number),
            "since": since.isoformat(timespec="milliseconds"),
        }
        self._live[number].set_user_attr(schema.PLACEMENTS, [*placements, placement])

    def note_result(self, report: TrialReport) -> None:
        """Record what identifies a trained model: the SHA-256 of recipe and weights, and its size."""
        trial = self._live[report.number]
        for key, value in (
            (schema.RECIPE_SHA256, report.recipe_sha256),
            (schema.WEIGHTS_SHA256, report.weights_sha256),
            (schema.PARAMETERS, report.parameters),
        ):
            if value is not None:
                trial.set_user_attr(key, value)

    def end(self, number: int, state: State, error: str | None = None) -> None:
        """Record the end of a trial: COMPLETE, PRUNED, DIVERGED or
        FAILED. error: why, for the last two."""
        trial = self._live.pop(number)
        with self.transaction():
            if state is State.FAILED:
                self._fail(trial, error or "it raised an error")
            else:
                if state is State.DIVERGED:
                    # PRUNED to Optuna: TPE ranks that behind every COMPLETE trial, and ignores failed ones.
                    trial.set_user_attr(schema.DIVERGED, error)
                complete = state is State.COMPLETE
                self._tell(trial, TrialState.COMPLETE if complete else TrialState.PRUNED, self.score(number))
        self._on_end(number)

    def _tell(self, trial: optuna.trial.Trial, state: TrialState, score: float | None = None) -> None:
        self._optuna_study.tell(trial, score if state is TrialState.COMPLETE else None, state=state)
        self.finished += 1

    def _fail(self, trial: optuna.trial.Trial, error: str) -> None:
        trial.set_user_attr(schema.ERROR, error)
        self._tell(trial, TrialState.FAIL)

    def draws(self, number: int) -> int | None:
        """The seed of values that an objective asks for and that a trial's recipe does not have; None for the
        middle of each range."""
        return None

    def note_suggestions(self, number: int, suggested: Mapping[str, Any]) -> None:
        """Record what an objective asked for: Optuna's distribution as JSON, and the value, by name. What a
        confirmation trains is on record already."""
        return

    def note(self, number: int, sentence: str) -> None:
        """Record something that a reader of the trial should know."""
        notes = self._frozen(number).user_attrs.get(schema.NOTES, [])
        self._live[number].set_user_attr(schema.NOTES, [*notes, sentence])

    def score(self, number: int) -> float | None:
        """The metric of the trial after its last epoch on record, or of its best one, as `Metric.take` says;
        None before the first."""
        values = self._frozen(number).intermediate_values
        return values[max(values)] if values else None

    def epochs_of(self, number: int) -> int:
        """How many epochs of the trial are on record."""
        return len(self._frozen(number).intermediate_values)

    def _frozen(self, number: int) -> FrozenTrial:
        # The journal holds one study, so its trials' ids are their numbers.
        return self.journal.get_trial(number)
