"""The study of a search: what is drawn, what is pruned, and when the budget is spent."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from search.plan.plan import Plan
from search.plan.sampler import grid_size
from search.records.folder import RunFolder, below
from search.records.sweep import STORAGE, PlanVersion, State, plan_versions
from search.records.warm_start import WarmStart
from search.sampling import pruners, samplers
from search.sampling.history import SamplerHistory
from search.sampling.storage import PrunerStorage, SamplerStorage
from search.study.base import STUDY, SettledTrial, Study, Suggestion

REPEATS = 100
"""Draws in a row that were all trained before, after which a search without a limit on its trials
ends: it would go on for ever."""


class SearchStudy(Study):
    """The study of a search. Its run must be owned (`search.records.lock.owning`): it writes.

    Interrupted trials are asked again first, under their own number; then new ones, until the
    plan's budget is spent. A plan that is not the last one on record is to be adopted.
    """

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        self._warm_start = WarmStart.stored(run.warm_start)
        super().__init__(run, plan)
        trials = self._optuna_study.get_trials(deepcopy=False)
        self._repeats = _repeats(trials)
        self._warm = [] if self._warm_start is None else self._warm_start.frozen(plan)
        drawn = self._since("recipe", "space", "sampler", "seed")
        self._sight = SamplerHistory(plan, drawn, self._warm)
        self._on_grid = self._started - drawn
        # A verdict of another pruner, or on trials of another length, is no verdict of this one.
        self._judged = self._since("recipe", "pruner")
        self._optuna_study = optuna.load_study(
            storage=PrunerStorage(self._storage, self._judged),
            study_name=STUDY,
            sampler=optuna.samplers.RandomSampler(),  # never asked
            pruner=pruners.build(plan.pruner, plan.max_epochs),
        )
        self._trained = {
            _key(trial.user_attrs["recipe"]): trial.number
            for trial in reversed(trials)
            if self._answers(trial)
        }
        self.learned = sum(self._sight.fits(trial) for trial in trials)

    def _founded(self, study: optuna.Study) -> None:
        if self._warm_start is not None:
            origin = {
                "run": self._warm_start.run,
                "taken": len(self._warm_start.fitting(self.plan)),
                "sentence": self._warm_start.sentence(self.plan),
            }
            study.set_user_attr("warm_start", origin)
        if self.plan.storage is not None:
            # Another run of that name, on another machine, must not come upon these checkpoints.
            study.set_user_attr(STORAGE, below(self.plan.storage, f"{self.plan.name}-{secrets.token_hex(4)}"))
        self._record_plan(study, 0, 0)

    def _record_plan(self, study: optuna.Study, version: int, trials: int) -> None:
        held = {
            "since": self._began.isoformat(),
            "trials": trials,
            "session": self._session,
            "plan": self.plan.to_table(),
        }
        study.set_user_attr(f"plan:{version:04d}", held)

    @property
    def storage(self) -> str | None:
        """The address of the folder where its trials' checkpoints lie; None where that is the run's own."""
        return self._optuna_study.user_attrs.get(STORAGE)

    @property
    def versions(self) -> tuple[PlanVersion, ...]:
        """The plans of the run, the one in force last."""
        return plan_versions(self._optuna_study.user_attrs)

    def adopt(self) -> bool:
        """Record the plan as the run's next version; whether it was not the last one on record."""
        versions = self.versions
        if versions and versions[-1].table == self.plan.to_table():
            return False
        self._record_plan(self._optuna_study, len(versions), self._started)
        return True

    def _since(self, *parts: str) -> int:
        """The first trial that was drawn under a plan like the present one in these parts."""
        since, table = self._started, self.plan.to_table()
        for version in reversed(self.versions):
            if any(version.table.get(part) != table.get(part) for part in parts):
                break
            since = version.trials
        return since

    def settle(self) -> None:
        """Record that the budget is spent, where the last start was killed before it could, or where
        the plan was changed so that it is."""
        key = f"session:{self._session - 1:04d}"
        last, version = self._optuna_study.user_attrs.get(key), self.versions[-1]
        with self.transaction():
            if last is not None and last["ended"] != "budget":
                self._optuna_study.set_user_attr(key, {**last, "ended": "budget"})
            if (
                version.session >= self._session
                and self._optuna_study.user_attrs.get("settled") != version.number
            ):
                self._optuna_study.set_user_attr("settled", version.number)

    @property
    def most(self) -> int | None:
        return self.plan.budget.trials

    def spent(self, seconds: float = 0.0) -> str | None:
        """Why the budget is spent and nothing may go on, as a sentence; None while it is not.
        seconds: how long this start has lived."""
        limit = self.plan.budget.wall_time
        if limit is not None and self.seconds_before + seconds >= limit:
            return f"the wall time of {limit:,.0f} s is spent"
        epochs = self.plan.budget.epochs
        if epochs is not None and self.epochs >= epochs:
            return f"the {epochs:,} epochs of the budget are spent"
        return self.exhausted() if self.idle else None

    def exhausted(self) -> str | None:
        """Why no further trial may start, as a sentence; None while there is budget."""
        budget = self.plan.budget
        if budget.trials is not None and self._started >= budget.trials:
            return f"all {budget.trials} trials of the budget were run"
        size = grid_size(self.plan.sampler, self.plan.space)
        if size is not None and self._on_grid >= size:
            return f"all {size} points of the grid were tried"
        if budget.trials is None and self._repeats >= REPEATS:
            return f"the last {REPEATS} draws were all trained before, so the space has nothing new"
        return None

    def ask(self) -> Suggestion | SettledTrial | None:
        """The next trial to train, or one that needs no training; None when the budget is spent."""
        with self.transaction():
            if self._interrupted:
                return self._again(self._interrupted.pop(0))
            if self.exhausted() is not None:
                return None
            return self._new()

    def _new(self) -> Suggestion | SettledTrial:
        """Draw a trial and record it, in one line."""
        number = self._started
        drawn, sampled = self._draw(number)
        refused = None
        try:
            recipe = self.plan.recipe_for(sampled).model_dump(mode="json")
            drawn.user_attrs = {"recipe": recipe, "session": self._session}
        except Exception as error:  # a rule between fields, perhaps a user's own, may raise anything
            refused = f"the recipe was refused: {_reason(error)}"
            drawn.user_attrs = {"session": self._session}
        trial = optuna.trial.Trial(
            self._optuna_study, self._storage.create_new_trial(self._optuna_study._study_id, drawn)
        )
        self._started += 1
        self._on_grid += 1
        self._repeats = 0
        if refused is not None:
            self._fail(number, trial, refused)
            return SettledTrial(number, sampled, State.FAILED, error=refused)
        if (same_as := self._trained.get(_key(recipe))) is not None:
            return self._answer(trial, sampled, same_as)
        self._live[number] = trial
        return Suggestion(number, json.dumps(recipe), int(recipe["epochs"]), sampled, 0)

    def _draw(self, number: int) -> tuple[FrozenTrial, dict[str, Any]]:
        """What the sampler proposes for a trial. It has no memory of its own: its draw depends on
        the study and the trial's number alone, so a resumed search draws what it would have."""
        draft = SamplerStorage(self._storage, self._sight)
        plan = self.plan
        study = optuna.load_study(
            storage=draft,
            study_name=STUDY,
            sampler=samplers.build(plan.sampler, plan.space, plan.seed, number, self._warm),
            pruner=self._optuna_study.pruner,  # hyperband decides by a trial's number what its sampler sees
        )
        sampled = plan.space.suggest(study.ask())
        assert draft.drawn is not None
        return draft.drawn, sampled

    def _answer(self, trial: optuna.trial.Trial, sampled: Mapping[str, Any], same_as: int) -> SettledTrial:
        """Give a trial the end that the same recipe had before: training it again would repeat it
        to the bit."""
        earlier = self._frozen(same_as)
        score = self.score(same_as)
        trial.set_user_attr("same_as", same_as)
        diverged = earlier.user_attrs.get("diverged")
        if diverged is not None:
            trial.set_user_attr("diverged", diverged)
        if score is not None:
            trial.report(score, max(earlier.intermediate_values))
        self._tell(trial.number, trial, earlier.state, score)
        self._repeats = _repeats(self._optuna_study.get_trials(deepcopy=False)[-REPEATS:])
        state = State.DIVERGED if diverged else State(earlier.state.name)
        return SettledTrial(trial.number, sampled, state, score, diverged, same_as)

    def _stops(self, trial: optuna.trial.Trial, known: FrozenTrial) -> bool:
        # Successive halving answers a second time otherwise, so it is asked once; and not of a trial
        # that another pruner judged before.
        return known.number >= self._judged and trial.should_prune()

    def _wanted(self, frozen: FrozenTrial) -> str | None:
        if self._sight.fits(frozen):
            return None
        return "it was interrupted, and the plan was changed since: it does not ask for this recipe"

    def _sampled(self, frozen: FrozenTrial) -> Mapping[str, Any]:
        recipe = frozen.user_attrs["recipe"]
        return {name: recipe.get(name, value) for name, value in frozen.params.items()}

    def _ended(self, number: int) -> None:
        if self._answers(self._frozen(number)):
            self._trained.setdefault(_key(self._frozen(number).user_attrs["recipe"]), number)

    def _answers(self, trial: FrozenTrial) -> bool:
        """Whether a draw of the same recipe would have the same end: this one was trained to it, or was
        stopped by the pruner that is in force."""
        told = trial.user_attrs
        if "recipe" not in told or told.keys() & {"same_as", "abandoned"}:
            return False
        if trial.state is TrialState.PRUNED and "diverged" not in told:
            return trial.number >= self._judged
        return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _key(recipe: Mapping[str, Any]) -> str:
    return json.dumps(recipe, sort_keys=True)


def _repeats(trials: Sequence[FrozenTrial]) -> int:
    """How many of the last trials were answered from the record, without one that was trained."""
    count = 0
    for trial in reversed(trials):
        if "same_as" not in trial.user_attrs:
            break
        count += 1
    return count


def _reason(error: Exception) -> str:
    """Why a recipe was refused, in a line."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{fault['msg']}, but got {fault['input']!r}" for fault in error.errors())
    return f"{type(error).__name__}: {error}"
