"""The trials that a sampler learns from: those of this search, converted to the current plan, and those of a
warm start."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from search.plan.plan import Plan
from search.plan.sampler import Tpe
from search.plan.space import NotInSpace
from search.records import schema
from search.sampling.bounded import BoundedTrials, Margins, no_margins

_SEEN = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of a trial that every sampler sees as it is."""


def as_worst(trial: FrozenTrial) -> FrozenTrial:
    """The trial as one that was pruned before its first epoch, which TPE ranks behind all others."""
    pruned = copy.copy(trial)
    pruned.state, pruned.value, pruned.intermediate_values = TrialState.PRUNED, None, {}
    return pruned


def _is_paused(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.RUNNING and schema.is_paused(trial.user_attrs)


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    """A paused trial as a pruned one: a sampler must not take it for one whose result is to come soon."""
    pruned = copy.copy(trial)
    pruned.state = TrialState.PRUNED
    return pruned


def as_pending(trial: FrozenTrial) -> FrozenTrial:
    """The trial as it was when it was suggested."""
    kept = (schema.RECIPE, schema.SAME_AS)
    pending = copy.copy(trial)
    pending.state, pending.value, pending.intermediate_values = TrialState.RUNNING, None, {}
    pending.datetime_complete = None
    pending.user_attrs = {key: value for key, value in trial.user_attrs.items() if key in kept}
    return pending


class SamplerHistory:
    """Converts the trials of a study to those that a sampler sees."""

    def __init__(
        self,
        plan: Plan,
        before: int,
        warm_start: Sequence[FrozenTrial] = (),
        margins: Margins = no_margins,
    ) -> None:
        """plan: the current version. before: number of trials that earlier versions suggested; they are
        converted to the current space, or left out if it cannot suggest them. warm_start: trials of another
        search, which come first. margins: of trials of this search, whose plan has bounds."""
        self._plan = plan
        self._before = before
        self._warm_start = list(warm_start)
        self._distributions = plan.space.distributions()
        # TPE ignores failed trials, and would sample again where they failed.
        self._learns_failures = isinstance(plan.sampler, Tpe)
        self._converted: dict[int, FrozenTrial | None] = {}
        self._bounded = BoundedTrials(plan.sampler, margins, plan.objective.sign)

    def __call__(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The trials that the sampler sees. trials: all of the study, by number."""
        earlier = [kept for trial in trials[: self._before] if (kept := self._earlier(trial)) is not None]
        own = [
            *(trial if trial.state in _SEEN else self._shown(trial) for trial in earlier),
            *(
                trial if trial.state in _SEEN else self._shown(trial, learns_failures=self._learns_failures)
                for trial in trials[self._before :]
            ),
        ]
        return [*self._warm_start, *self._bounded(own)]

    def _shown(self, trial: FrozenTrial, learns_failures: bool = False) -> FrozenTrial:
        """A trial that has not ended, or has failed, as the sampler sees it."""
        if learns_failures and trial.state is TrialState.FAIL:
            return as_worst(trial)
        return _as_pruned(trial) if _is_paused(trial) else trial

    def fits(self, trial: FrozenTrial) -> bool:
        """Whether the current plan can suggest this trial."""
        return trial.number >= self._before or self._earlier(trial) is not None

    def _earlier(self, trial: FrozenTrial) -> FrozenTrial | None:
        if trial.number not in self._converted or not trial.state.is_finished():
            self._converted[trial.number] = self._convert(trial)
        return self._converted[trial.number]

    def _convert(self, trial: FrozenTrial) -> FrozenTrial | None:
        recipe = trial.user_attrs.get(schema.RECIPE)
        if recipe is None or self._plan.pinned_otherwise(recipe):
            return None
        try:
            params = self._plan.space.params_of(recipe)
        except NotInSpace:
            return None
        # Without system attributes, since a sampler stored them for another space.
        return FrozenTrial(
            number=trial.number,
            trial_id=trial._trial_id,
            state=trial.state,
            value=trial.value,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=params,
            distributions={name: self._distributions[name] for name in params},
            user_attrs=trial.user_attrs,
            system_attrs={},
            intermediate_values=trial.intermediate_values,
        )
