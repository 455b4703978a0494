"""What a sampler learns from: this search's trials as the present plan would have drawn them, and
those of another search that it was given to start with."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from search.plan.plan import Plan
from search.plan.space import Outside
from search.records import schema


class SamplerHistory:
    """Shows trials to a sampler.

    before: trials with a smaller number were drawn under an earlier version of the plan. They are
    shown as if drawn under this one, and left out where it could not have drawn them.
    aside: trials of another search, shown ahead of all.
    """

    def __init__(self, plan: Plan, before: int, aside: Sequence[FrozenTrial] = ()) -> None:
        self._plan = plan
        self._before = before
        self._aside = list(aside)
        self._distributions = plan.space.distributions()
        self._known: dict[int, FrozenTrial | None] = {}

    def __call__(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The trials, numbered from 0, as the sampler may see them."""
        if not self._before:
            return self._aside + trials
        earlier = (self._earlier(trial) for trial in trials[: self._before])
        return [*self._aside, *(trial for trial in earlier if trial), *trials[self._before :]]

    def fits(self, trial: FrozenTrial) -> bool:
        """Whether the present plan could have drawn it."""
        return trial.number >= self._before or self._earlier(trial) is not None

    def _earlier(self, trial: FrozenTrial) -> FrozenTrial | None:
        if trial.number not in self._known or not trial.state.is_finished():
            self._known[trial.number] = self._translated(trial)
        return self._known[trial.number]

    def _translated(self, trial: FrozenTrial) -> FrozenTrial | None:
        recipe = trial.user_attrs.get(schema.RECIPE)
        if recipe is None or self._plan.pinned_otherwise(recipe):
            return None
        try:
            params = self._plan.space.params_of(recipe)
        except Outside:
            return None
        # What samplers noted in it was for another space.
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
