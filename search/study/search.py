"""The study of a search: what is sampled, what is pruned, and when the budget is spent."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import optuna
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from search.plan.own import OwnClassFailed
from search.plan.plan import Plan
from search.plan.pruner import Forecast, OwnPruner
from search.plan.sampler import Auto, Gp, Tpe, grid_size
from search.records import schema
from search.records.folder import RunFolder, subfolder
from search.records.history import PlanVersion, plan_versions
from search.records.journal import StudyStorage
from search.records.trial import State
from search.records.warm_start import WarmStart
from search.sampling import pruners, samplers
from search.sampling.bounded import no_margins
from search.sampling.forecast import ForecastPruner
from search.sampling.history import SamplerHistory, as_pending
from search.sampling.model_cache import ModelCache
from search.sampling.storage import PrunerStorage, SamplerStorage, SnapshotStorage
from search.study.ahead import Continued, DrawAhead, Next, Snapshot
from search.study.base import SettledTrial, Study, Suggestion
from search.study.bounds import Bounds
from search.study.draw import Drawn, TrialDraw
from search.study.gains import Gains
from search.study.requests import Requests
from trainable.contract import can_continue
from trainable.epoch import Epoch

REPEATS = 100
"""A search without a limit on its trials ends after this many suggestions in a row that repeat a trained
recipe, because it would never end otherwise."""


class SearchStudy(Study):
    """The study of a search.

    Interrupted trials are suggested first, under their own number; then new ones, until the plan's budget
    is spent. A plan that is not the last one on record must be adopted before anything is asked.
    """

    samples = True

    def __init__(self, run: RunFolder, plan: Plan, journal: StudyStorage | None = None) -> None:
        self._reference = run.reference
        self._warm_start = WarmStart.read_from(run.warm_start)
        self._by_run = plan.defined_by_run
        """Whether its trainable is an objective, whose space is made by what it asks for."""
        super().__init__(run, plan, journal)
        trials = self._optuna_study.get_trials(deepcopy=False)
        self._repeats = _count_repeats(trials)
        self._warm_start_trials = [] if self._warm_start is None else self._warm_start.frozen(plan)
        first_sampled = self._first_since_change("recipe", "space", "sampler", "seed")
        self._bounds = Bounds(plan, run, trials)
        bounded = bool(plan.constraints.bounds)
        margins = self._bounds.margins if bounded else no_margins
        self._history = SamplerHistory(plan, first_sampled, self._warm_start_trials, margins)
        self._drawing = TrialDraw(
            plan, run.reference, self._history, self._warm_start_trials, self._repeats_an_earlier_one
        )
        self._models = ModelCache()
        self._ahead: DrawAhead | None = None
        self._on_grid = self._started - first_sampled
        # Trials that another pruner stopped, or that had another length, say nothing about this pruner.
        self._first_judged = self._first_since_change("recipe", "pruner")
        self._window = plan.window if plan.order == "strict" else None
        broken = self._bounds.broken_by if bounded else None
        self._judges = PrunerStorage(self.journal, self._first_judged, self._window, broken)
        self._optuna_study = optuna.load_study(
            storage=self._judges,
            study_name=schema.STUDY_NAME,
            sampler=optuna.samplers.RandomSampler(),  # never asked
            pruner=pruners.build(
                plan.pruner,
                plan.max_epochs,
                plan.space,
                self._first_since_change("recipe", "space", "pruner"),
                plan.folder,
            ),
        )
        # A trial that starts anew when it is continued is not worth it; nor may workers' pace decide when.
        pausable = self._window is None and can_continue(plan.trainable_module)
        self._pauses = pausable and isinstance(plan.pruner, Forecast)
        self._gains = Gains(plan, self._all_trials, self._bounds.broken_by)
        self._requests = Requests(run, plan, trials)
        self._considered: tuple[object, ...] | None = None
        self._trained = {
            _key(trial.user_attrs[schema.RECIPE]): trial.number
            for trial in reversed(trials)
            if self._is_repeatable(trial)
        }
        self.learned = sum(self._history.fits(trial) for trial in trials)
        """How many of the trials on record the sampler learns from."""

    def _initialize(self, study: optuna.Study) -> None:
        if self._warm_start is not None:
            study.set_user_attr(schema.WARM_START, asdict(self._warm_start.summary(self.plan)))
        if self.plan.storage is not None:
            # A run of the same name on another machine must not find these checkpoints.
            folder = subfolder(self.plan.storage, f"{self.plan.name}-{secrets.token_hex(4)}")
            study.set_user_attr(schema.STORAGE, folder)
        self._record_plan(study, 0, 0)

    def _record_plan(self, study: optuna.Study, version: int, trials: int) -> None:
        stored = {
            "since": self._began.isoformat(),
            "trials": trials,
            "session": self._session,
            "plan": self.plan.to_table(),
        }
        study.set_user_attr(schema.PLANS.key(version), stored)

    @property
    def storage(self) -> str | None:
        """The address of the folder that holds its trials' checkpoints; None if they lie in the run's own."""
        return self._optuna_study.user_attrs.get(schema.STORAGE)

    @property
    def versions(self) -> tuple[PlanVersion, ...]:
        """The versions of the run's plan, the one in force last."""
        return plan_versions(self._optuna_study.user_attrs)

    def adopt(self) -> bool:
        """Record the plan as the run's next version, unless it is the last one on record. Returns whether it
        was recorded."""
        versions = self.versions
        if versions and versions[-1].table == self.plan.to_table():
            return False
        self._record_plan(self._optuna_study, len(versions), self._started)
        return True

    def note_code(self) -> None:
        """Record where the modules of the user's are, so that a resume from another folder finds it."""
        code = self.plan.home
        if code is not None and self._optuna_study.user_attrs.get(schema.CODE) != code:
            self._optuna_study.set_user_attr(schema.CODE, code)

    def _first_since_change(self, *parts: str) -> int:
        """The first trial since any of these parts of the plan last changed."""
        first, table = self._started, self.plan.to_table()
        for version in reversed(self.versions):
            if any(version.table.get(part) != table.get(part) for part in parts):
                break
            first = version.trials
        return first

    def settle(self) -> list[SettledTrial]:
        """Record that the budget is spent, if the last start was killed before it could, or if the plan was
        changed so that it is. Returns the trials that were paused, and are PRUNED now."""
        key = schema.SESSIONS.key(self._session - 1)
        attributes, version = self._optuna_study.user_attrs, self.versions[-1]
        last = attributes.get(key)
        with self.transaction():
            pruned = self.prune_paused()
            if last is not None and last["ended"] != "budget":
                self._optuna_study.set_user_attr(key, {**last, "ended": "budget"})
            if version.session >= self._session and attributes.get(schema.SETTLED) != version.number:
                self._optuna_study.set_user_attr(schema.SETTLED, version.number)
        return pruned

    @property
    def max_trainings(self) -> int | None:
        return self.plan.budget.trials

    def spent(self, seconds: float = 0.0) -> str | None:
        limit = self.plan.budget.wall_time
        if limit is not None and self.seconds_before + seconds >= limit:
            return f"the wall time of {limit:,.0f} s is spent"
        epochs = self.plan.budget.epochs
        if epochs is not None and self.epochs >= epochs:
            return f"the {epochs:,} epochs of the budget are spent"
        if (reached := self._gains.target_reached()) is not None:
            return reached
        return self.exhausted() if self.idle else None

    def exhausted(self) -> str | None:
        """Why no further trial may start, as a sentence; None if one may."""
        return self._out_of_trials() or self._out_of_gains()

    def _out_of_trials(self) -> str | None:
        """Why no further trial may start, whatever came of those before."""
        budget = self.plan.budget
        if budget.trials is not None and self._started >= budget.trials:
            return f"all {budget.trials} trials of the budget were run"
        size = grid_size(self.plan.sampler, self.plan.space)
        if size is not None and self._on_grid >= size:
            return f"all {size} points of the grid were tried"
        if budget.trials is None and self._repeats >= REPEATS:
            return f"the last {REPEATS} suggestions were all trained before, so the space has nothing new"
        return None

    def _out_of_gains(self) -> str | None:
        """Why no further trial may start, by what came of those that the next one may depend on."""
        return self._gains.none_left(self.finished, self._last_visible)

    def _all_trials(self) -> list[FrozenTrial]:
        return self.journal.get_all_trials(self._optuna_study._study_id, deepcopy=False)

    def ask(self) -> Suggestion | SettledTrial | Literal["later"] | None:
        """The next trial to train, or one that needs no training; "later" if that depends on a trial that has
        not ended; None if the budget is spent."""
        with self.transaction():
            found = self._ask()
        self._look_ahead(asked=True)
        return found

    def _ask(self) -> Suggestion | SettledTrial | Literal["later"] | None:
        if self._interrupted:
            return self._resume(self._interrupted.pop(0))
        decided_ahead = self._ahead is not None and self._ahead.has_next and self.exhausted() is None
        if self._paused and not decided_ahead and (continued := self._continue_paused()) is not None:
            return continued
        if self._out_of_trials() is not None:
            return None
        if self._depends_on_a_live_one:
            return "later"
        return self._suggest() if self._out_of_gains() is None else None

    @property
    def _depends_on_a_live_one(self) -> bool:
        """Whether the next trial depends on one that has not ended."""
        return self._window is not None and min(self._live, default=self._started) <= self._last_visible

    def draw_ahead(self) -> None:
        takes_time = isinstance(self.plan.sampler, Auto | Gp | Tpe)
        if self._ahead is None and takes_time and not self._by_run:
            self._ahead = DrawAhead(self._next_of)

    def stop_drawing(self) -> None:
        if self._ahead is not None:
            self._ahead.close()

    def _look_ahead(self, asked: bool = False) -> None:
        """Let the next trial be drawn. asked: whether one was taken just now."""
        if self._ahead is None or not (asked or self._ahead.due):
            return
        if self._depends_on_a_live_one or self.exhausted() is not None:
            self._ahead.update(None)
            return
        budget = self.plan.budget.trials
        left = None if budget is None else budget - self._started
        # In a strict order each draw depends on the trial before it.
        limit = left if self._window is None else 1
        trials = self._seen(self._all_trials())
        self._ahead.update(Snapshot(trials, self._started, frozenset(self._paused), limit))

    def _next_of(self, known: Snapshot, waiting: Sequence[Next]) -> Next:
        """What is next after those that wait; called in another thread."""
        pruner, drawn = self._optuna_study.pruner, [found for found in waiting if isinstance(found, Drawn)]
        if known.paused and not waiting and isinstance(pruner, ForecastPruner):
            trials = self._judges.compared(list(known.trials))
            number = pruner.most_promising(trials, self._optuna_study.direction, known.paused, new=True)
            if number is not None:
                return Continued(number)
        trials = [*known.trials, *(found.trial for found in drawn)]
        storage = partial(SnapshotStorage, self.plan.objective.direction)
        models = self._models if self._window is None else None
        return self._drawing.draw(storage, trials, known.number + len(drawn), pruner, models)

    def record(self, number: int, epoch: Epoch, worker: str, over: bool = False) -> State | None:
        self._bounds.report(number, epoch)
        stopped = super().record(number, epoch, worker, over)
        self._look_ahead()
        return stopped

    @property
    def _last_visible(self) -> int:
        """The last trial that the next one may depend on."""
        return self._started - (self._window or 1)

    def _continue_paused(self) -> Suggestion | SettledTrial | None:
        """The paused trial that goes on now, or one that is PRUNED because none will; None if a new trial, or
        waiting for those in training, is better."""
        pruner, exhausted = self._optuna_study.pruner, self.exhausted() is not None
        seen = (self.epochs, self.finished, self._started, exhausted)
        if isinstance(pruner, ForecastPruner) and seen != self._considered:
            self._considered = seen  # an engine asks again and again while it waits
            trials = self._judges.compared(self._all_trials())
            direction = self._optuna_study.direction
            number = pruner.most_promising(trials, direction, self._paused, new=not exhausted)
            if number is not None:
                return self._resume(self._frozen(number))
        if isinstance(pruner, ForecastPruner) and (self._live or not exhausted):
            return None
        return self._prune_paused(min(self._paused))

    def _suggest(self) -> Suggestion | SettledTrial:
        """Sample a trial and record it, in one line of the journal."""
        number = self._started
        request = self._requests.next()
        drawn = self._next_drawn() if request is None else self._requests.answer(request)
        if isinstance(drawn, Continued):
            return self._resume(self._frozen(drawn.number))
        frozen, sampled, recipe = drawn.trial, drawn.sampled, drawn.recipe
        frozen.user_attrs = {schema.SESSION: self._session}
        if request is not None:
            frozen.user_attrs |= {schema.KNOWN: request.name, schema.NOTES: [request.note]}
        if recipe is not None:
            frozen.user_attrs = {schema.RECIPE: recipe, **frozen.user_attrs}
        same_as = None if recipe is None else self._same_recipe(recipe, number)
        if recipe is not None and self._by_run and same_as is None:
            # What is proposed becomes a parameter of the trial once its objective asks for it.
            frozen.user_attrs |= {schema.SENT: recipe}
            frozen.params, frozen.distributions = {}, {}
            frozen.user_attrs[schema.RECIPE] = self.plan.recorded_recipe({})
        trial_id = self.journal.create_new_trial(self._optuna_study._study_id, frozen)
        trial = optuna.trial.Trial(self._optuna_study, trial_id)
        self._started += 1
        self._on_grid += 1
        self._repeats = 0
        if recipe is None:
            self._fail(trial, drawn.refusal)
            return SettledTrial(number, sampled, State.FAILED, error=drawn.refusal)
        if same_as is not None:
            return self._repeat(trial, sampled, same_as)
        self._live[number] = trial
        return Suggestion(number, json.dumps(recipe), int(recipe["epochs"]), sampled, 0)

    def _same_recipe(self, recipe: Mapping[str, Any], number: int) -> int | None:
        """The earlier trial whose outcome a trial with this recipe takes; None if it is trained."""
        earlier = self._trained.get(_key(recipe))
        if earlier is not None and self._window is not None and earlier > number - self._window:
            return None
        return earlier

    def _repeats_an_earlier_one(self, recipe: Mapping[str, Any], number: int) -> bool:
        return self._same_recipe(recipe, number) is not None

    def _next_drawn(self) -> Next:
        """What is next: drawn ahead, or now."""
        while self._ahead is not None and (found := self._ahead.take()) is not None:
            if isinstance(found, Continued):
                if found.number in self._paused:
                    return found
            elif self._still_fits(found):
                found.trial.datetime_start = datetime.now(UTC)
                return found
        trials = self._seen(self._all_trials())
        storage = partial(SamplerStorage, self.journal)
        return self._drawing.draw(storage, trials, self._started, self._optuna_study.pruner)

    def _still_fits(self, drawn: Drawn) -> bool:
        """Whether a trial that was drawn ahead is one that would be drawn now."""
        if self._window is not None:
            return drawn.trial.number == self._started
        return drawn.recipe is None or self._same_recipe(drawn.recipe, self._started) is None

    def draws(self, number: int) -> int | None:
        return samplers.stable_seed(self.plan.seed, "objective", number) if self._by_run else None

    def note_suggestions(self, number: int, suggested: Mapping[str, Any]) -> None:
        frozen = self._frozen(number)
        values = {}
        for name, (text, value) in suggested.items():
            if name not in frozen.params:
                distribution = json_to_distribution(text)
                internal = distribution.to_internal_repr(value)
                self._optuna_study._storage.set_trial_param(number, name, internal, distribution)
            values[name] = value
        recipe = frozen.user_attrs[schema.RECIPE]
        if recipe != (grown := {**recipe, **values}):
            self._live[number].set_user_attr(schema.RECIPE, grown)

    def _seen(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """What the next trial may depend on."""
        if self._window is None:
            return trials
        last = self._last_visible
        return [as_pending(trial) if trial.number > last else trial for trial in trials]

    def _repeat(self, trial: optuna.trial.Trial, sampled: Mapping[str, Any], same_as: int) -> SettledTrial:
        """Give a trial the outcome of an earlier one with the same recipe: training would repeat it to the
        bit."""
        earlier = self._frozen(same_as)
        score = self.score(same_as)
        trial.set_user_attr(schema.SAME_AS, same_as)
        self._bounds.repeats(trial.number, same_as)
        diverged = earlier.user_attrs.get(schema.DIVERGED)
        if diverged is not None:
            trial.set_user_attr(schema.DIVERGED, diverged)
        if score is not None:
            trial.report(score, max(earlier.intermediate_values))
        self._tell(trial, earlier.state, score)
        self._repeats = _count_repeats(self._all_trials()[-REPEATS:])
        state = State.DIVERGED if diverged else State(earlier.state.name)
        return SettledTrial(trial.number, sampled, state, score, diverged, same_as)

    def _should_prune(self, trial: optuna.trial.Trial, frozen: FrozenTrial) -> bool:
        # Not for a trial that another pruner has judged. Called once per epoch, because successive halving
        # would answer differently the second time.
        if frozen.number < self._first_judged or schema.AUDITED in frozen.user_attrs:
            return False
        self._judges.judged = frozen.number
        try:
            stop = trial.should_prune()
        except Exception as error:
            if isinstance(self.plan.pruner, OwnPruner):
                raise OwnClassFailed.of(
                    self.plan.pruner.name, f"about trial {frozen.number}", error
                ) from error
            raise
        if not stop:
            return False
        if self._audits(frozen.number):
            trial.set_user_attr(schema.AUDITED, self.epochs_of(frozen.number))
            return False
        return True

    def _audits(self, number: int) -> bool:
        """Whether a trial that is to be stopped is trained to its end instead."""
        share = getattr(self.plan.pruner, "audit", None) or 0.0
        return samplers.stable_seed(self.plan.seed, "audit", number) < share * 2**32

    def _stop_early(self, number: int) -> State:
        if not self._pauses:
            return super()._stop_early(number)
        self.pause(number)
        return State.PAUSED

    def _why_abandon(self, frozen: FrozenTrial) -> str | None:
        if self._history.fits(frozen):
            return None
        return "it was interrupted, and the plan was changed since and excludes this recipe"

    def _sampled(self, frozen: FrozenTrial) -> Mapping[str, Any]:
        recipe = frozen.user_attrs[schema.RECIPE]
        return {name: recipe.get(name, value) for name, value in frozen.params.items()}

    def _on_end(self, number: int) -> None:
        frozen = self._frozen(number)
        if self._is_repeatable(frozen):
            key = _key(frozen.user_attrs[schema.RECIPE])
            self._trained[key] = min(number, self._trained.get(key, number))
        self._gains.ended(frozen)

    def _is_repeatable(self, trial: FrozenTrial) -> bool:
        """Whether a trial with the same recipe would have the same outcome: this one was trained to its end,
        or stopped by the pruner in force."""
        attributes = trial.user_attrs
        if schema.RECIPE not in attributes or attributes.keys() & {schema.SAME_AS, schema.ABANDONED}:
            return False
        if trial.state is TrialState.PRUNED and schema.DIVERGED not in attributes:
            return trial.number >= self._first_judged
        return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _key(recipe: Mapping[str, Any]) -> str:
    return json.dumps(recipe, sort_keys=True)


def _count_repeats(trials: Sequence[FrozenTrial]) -> int:
    """How many trials at the end of the list were not trained, because they repeat an earlier one."""
    trained = (at for at, trial in enumerate(reversed(trials)) if schema.SAME_AS not in trial.user_attrs)
    return next(trained, len(trials))
