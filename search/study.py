"""The study: what was asked, told and pruned. The truth about a run, in Optuna's journal.

Every question and answer is on disk before anything acts on it, so a process that dies at any
moment leaves a study that the next one continues.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from search import pruner, sampler
from search.folder import RunFolder
from search.journal import open_journal
from search.plan import Plan
from search.records import State
from trainable.epoch import Epoch

STUDY = "benchsweep"


@dataclass(frozen=True)
class Question:
    """A trial to train. recipe: JSON, complete. epochs: the recipe's. sampled: what was chosen of
    it. reported: epochs already on record, more than 0 when it is continued."""

    number: int
    recipe: str
    epochs: int
    sampled: Mapping[str, Any]
    reported: int


@dataclass(frozen=True)
class Refusal:
    """A draw that the trainable's Recipe refused; it is on record as FAILED, with `error`."""

    number: int
    sampled: Mapping[str, Any]
    error: str


class Study:
    """An open study. Its run must be owned (`search.lock.owning`): it writes.

    Interrupted trials are asked again first, under their own number; then new ones, until the
    plan's budget is spent.
    """

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan = plan
        storage = open_journal(run.journal)
        if not storage.get_all_studies():
            optuna.create_study(storage=storage, study_name=STUDY, direction=plan.metric.direction)
        self._study = optuna.load_study(
            storage=storage, study_name=STUDY, pruner=pruner.build(plan.pruner, plan.max_epochs)
        )
        self._live: dict[int, optuna.trial.Trial] = {}
        trials = self._study.get_trials(deepcopy=False)
        self._started = len(trials)
        self.epochs = sum(len(trial.intermediate_values) for trial in trials)
        self.finished = sum(trial.state.is_finished() for trial in trials)
        self._interrupted = [trial for trial in trials if trial.state is TrialState.RUNNING]
        stored = self._study.user_attrs
        self._session = sum(key.startswith("session:") for key in stored)
        self.seconds_before = sum(
            value["seconds"] for key, value in stored.items() if key.startswith("session:")
        )
        self._began = datetime.now(UTC)
        if "metric" not in stored:
            metric = plan.metric
            self._study.set_user_attr(
                "metric", {"name": metric.name, "direction": metric.direction, "unit": metric.unit}
            )

    @property
    def session(self) -> int:
        """0 for the first start of the run, 1 for its first resume."""
        return self._session

    def begin_session(self, environment: Mapping[str, Any]) -> None:
        """Record that this start trains, and on what: trials tell by which start they were trained."""
        self._study.set_user_attr(f"environment:{self._session:04d}", dict(environment))
        self.note_session(0.0, "")

    def note_session(self, seconds: float, ended: str) -> None:
        """Record how long this start has lived (seconds), and how it ended ("" while it lives)."""
        value = {"started": self._began.isoformat(), "seconds": round(seconds, 3), "ended": ended}
        self._study.set_user_attr(f"session:{self._session:04d}", value)

    def settle(self) -> None:
        """Record that the budget is spent, where the last start was killed before it could."""
        key = f"session:{self._session - 1:04d}"
        last = self._study.user_attrs.get(key)
        if last is not None and last["ended"] != "budget":
            self._study.set_user_attr(key, {**last, "ended": "budget"})

    def exhausted(self) -> str | None:
        """Why no further trial may start, as a sentence; None while there is budget."""
        budget = self.plan.budget
        if budget.trials is not None and self._started >= budget.trials:
            return f"all {budget.trials} trials of the budget were run"
        size = sampler.grid_size(self.plan.sampler, self.plan.space)
        if size is not None and self._started >= size:
            return f"all {size} points of the grid were tried"
        return None

    def ask(self) -> Question | Refusal | None:
        """The next trial to train, or one that its recipe's own rules refuse; None when the budget
        is spent."""
        if self._interrupted:
            return self._again(self._interrupted.pop(0))
        if self.exhausted() is not None:
            return None
        self._seed(self._started)
        trial = self._study.ask()
        self._started += 1
        return self._pose(trial, reported=0)

    @property
    def idle(self) -> bool:
        """Whether no trial is being trained or waits to be continued."""
        return not self._live and not self._interrupted

    def is_live(self, number: int) -> bool:
        """Whether the trial was asked in this start and has no end yet."""
        return number in self._live

    def _seed(self, number: int) -> None:
        """A sampler without memory of its own: what it proposes for a trial depends on the study
        and the trial's number alone, so a resumed search proposes what it would have."""
        self._study.sampler = sampler.build(self.plan.sampler, self.plan.space, self.plan.seed, number)

    def _again(self, frozen: FrozenTrial) -> Question | Refusal:
        """Continue a trial that its process left behind, perhaps before all of it was written."""
        self._seed(frozen.number)
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        return self._pose(trial, reported=max(frozen.intermediate_values, default=0))

    def _pose(self, trial: optuna.trial.Trial, reported: int) -> Question | Refusal:
        known = trial.user_attrs
        sampled = self.plan.space.suggest(trial)
        if "recipe" not in known:
            try:
                recipe = self.plan.recipe_for(sampled)
            except Exception as error:  # a rule between fields, perhaps a user's own, may raise anything
                reason = f"the recipe was refused: {_reason(error)}"
                self._tell_failed(trial, reason)
                return Refusal(trial.number, sampled, reason)
            trial.set_user_attr("recipe", recipe.model_dump(mode="json"))
        if known.get("session") != self._session:
            trial.set_user_attr("session", self._session)
        if reported:
            trial.set_user_attr("resumed_from", [*known.get("resumed_from", []), reported])
        self._live[trial.number] = trial
        stored = trial.user_attrs["recipe"]
        return Question(trial.number, json.dumps(stored), int(stored["epochs"]), sampled, reported)

    def record(self, number: int, epoch: Epoch, worker: str) -> bool | None:
        """Write down an epoch. Returns whether the pruner wants the trial stopped, in which case
        it already is PRUNED on record; None for an epoch that was on record before.

        The pruner is asked once for each epoch: successive halving answers a second time
        otherwise. It is not asked after a trial's last epoch, which is its end anyway.
        """
        trial = self._live[number]
        known = self._study.get_trials(deepcopy=False)[number]
        if epoch.number in known.intermediate_values:
            return None
        if known.user_attrs.get("worker") != worker:
            trial.set_user_attr("worker", worker)
        trial.report(epoch.metrics[self.plan.metric.name], epoch.number)
        self.epochs += 1
        if epoch.number >= trial.user_attrs["recipe"]["epochs"] or not trial.should_prune():
            return False
        self.end(number, State.PRUNED)
        return True

    def end(self, number: int, state: State, error: str | None = None) -> None:
        """Write down what became of a trial: COMPLETE (its score is that of its last epoch),
        PRUNED, DIVERGED or FAILED (with the sentence that says why)."""
        trial = self._live.pop(number)
        if state is State.FAILED:
            self._tell_failed(trial, error or "it raised")
            return
        if state is State.COMPLETE:
            self._study.tell(trial, self.score(number))
        else:
            if state is State.DIVERGED:
                # Told as PRUNED, which TPE ranks behind every COMPLETE trial; failed ones it ignores.
                trial.set_user_attr("diverged", error)
            self._study.tell(trial, state=TrialState.PRUNED)
        self.finished += 1

    def _tell_failed(self, trial: optuna.trial.Trial, error: str) -> None:
        trial.set_user_attr("error", error)
        self._study.tell(trial, state=TrialState.FAIL)
        self.finished += 1

    def note(self, number: int, sentence: str) -> None:
        """Write down something a reader of the trial should know."""
        trial = self._live[number]
        trial.set_user_attr("notes", [*trial.user_attrs.get("notes", []), sentence])

    def score(self, number: int) -> float | None:
        """The metric after the trial's last epoch on record."""
        values = self._study.get_trials(deepcopy=False)[number].intermediate_values
        return values[max(values)] if values else None

    def epochs_of(self, number: int) -> int:
        """How many epochs of the trial are on record."""
        return len(self._study.get_trials(deepcopy=False)[number].intermediate_values)


def _reason(error: Exception) -> str:
    """Why a recipe was refused, in a line."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{fault['msg']}, but got {fault['input']!r}" for fault in error.errors())
    return f"{type(error).__name__}: {error}"
