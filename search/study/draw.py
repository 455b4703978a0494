"""Draws the next trial of a search from its trials alone.

A sampler has no memory of its own: what it suggests depends on the trials and on the new one's number, so a
resumed search draws what it would have drawn without a break.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from pydantic import BaseModel, ValidationError

from search.plan.fault import rule
from search.plan.own import OwnClassFailed
from search.plan.plan import Plan
from search.plan.sampler import Auto, Gp, Grid, OwnSampler, Qmc, Random, Tpe
from search.records import schema
from search.sampling import samplers
from search.sampling.history import as_worst
from search.sampling.model_cache import ModelCache
from search.sampling.parzen import TrialTable
from search.sampling.recipes import Recipes
from search.sampling.storage import SamplerStorage, SnapshotStorage
from search.sampling.trial_points import TrialPoints
from search.surrogate.encoding import Encoding
from trainable.errors import BenchsweepError
from trainable.record import to_record

DRAWS = 100
"""Maximum number of recipes that are sampled for a trial, as long as the trainable refuses them. The last one
is then recorded as FAILED."""
TPE_DRAWS = 20
"""How many of them TPE samples; the others are random."""


class SamplerOutOfMemory(BenchsweepError, MemoryError):
    """The sampler could not allocate what it needs for the next trial."""


@dataclass(frozen=True)
class Drawn:
    """A trial that was sampled and is not on record."""

    trial: FrozenTrial
    """As Optuna records it."""
    sampled: dict[str, Any]
    """Values of the space."""
    recipe: dict[str, Any] | None
    """The complete recipe; None if the trainable refused all that were sampled."""
    refusal: str = ""
    """Why the last one was refused."""


class TrialDraw:
    """Draws trials by the sampler of a plan."""

    def __init__(
        self,
        plan: Plan,
        reference: str,
        history: Callable[[list[FrozenTrial]], list[FrozenTrial]],
        warm_start: Sequence[FrozenTrial],
        repeats: Callable[[Mapping[str, Any], int], bool],
    ) -> None:
        """reference: how the run is called in a command. history: converts the trials of the study to those
        that the sampler sees. warm_start: trials of another search. repeats: whether a trial with this recipe
        and number would repeat one on record."""
        self._plan, self._reference = plan, reference
        self._history, self._warm_start, self._repeats = history, warm_start, repeats
        self._table, self._points = TrialTable(), TrialPoints(Encoding(plan.space), plan.max_epochs)
        self._lock = threading.Lock()

    def draw(
        self,
        storage: Callable[[Sequence[FrozenTrial], int], SamplerStorage | SnapshotStorage],
        trials: Sequence[FrozenTrial],
        number: int,
        pruner: BasePruner,
        models: ModelCache | None = None,
    ) -> Drawn:
        """Draw trial `number`, again if the trainable refuses its recipe, up to `DRAWS` times.

        storage: what the sampler works on, made from the trials that it sees and `number`; in another thread
        than the one that writes the journal, a SnapshotStorage. trials: those that the new one may depend on.
        pruner: of the study. models: those of earlier draws; None to fit one for this call.

        Raises SamplerOutOfMemory, and OwnClassFailed for a sampler of the user's."""
        with self._lock:
            return self._drawn(storage, trials, number, pruner, models)

    def _drawn(
        self,
        storage: Callable[[Sequence[FrozenTrial], int], SamplerStorage | SnapshotStorage],
        trials: Sequence[FrozenTrial],
        number: int,
        pruner: BasePruner,
        models: ModelCache | None,
    ) -> Drawn:
        history, refused = self._history(list(trials)), list[FrozenTrial]()
        asked_for = self._asked_for(trials) if self._plan.defined_by_run else None
        for draw in range(DRAWS):
            view, sampler = storage([*history, *refused], number), self._sampler(number, draw, models)
            frozen, sampled = self._sample(view, number, sampler, pruner, asked_for)
            refusal = ""
            recipe: dict[str, Any] | None = None
            try:
                recipe = self._recorded(sampled)
            except Exception as error:  # a rule between fields, perhaps a user's own, may raise anything
                refusal = f"the recipe was refused: {_reason(error)}"
            if not self._draws_again(recipe, number):
                break
            refused.append(as_worst(frozen))
        return Drawn(frozen, sampled, recipe, refusal)

    def _draws_again(self, recipe: dict[str, Any] | None, number: int) -> bool:
        """Whether to sample another recipe in place of this one (None if it was refused)."""
        if recipe is None:
            # `auto` has looked for one that is accepted; the others' points are those of a sequence.
            sequence = isinstance(self._plan.sampler, Qmc) and not self._plan.constraints.rules
            return not sequence and not isinstance(self._plan.sampler, Auto | Grid)
        # It learns nothing from a pruned trial, so it would suggest the same one over and over.
        return isinstance(self._plan.sampler, Gp) and self._repeats(recipe, number)

    def _recorded(self, sampled: Mapping[str, Any]) -> dict[str, Any]:
        """The complete recipe. Raises ValueError, and whatever the trainable raises."""
        if self._plan.defined_by_run:
            return {**self._plan.recorded_recipe({}), **sampled}
        return self._plan.recorded_recipe(sampled)

    def _accepts(self, sampled: Mapping[str, Any]) -> bool:
        """Whether the trainable accepts a recipe."""
        try:
            self._plan.recorded_recipe(sampled)
        except Exception:  # as in `_draw`
            return False
        return True

    def _sampler(self, number: int, draw: int, models: ModelCache | None) -> BaseSampler:
        """draw: 0 for the first of a trial, 1 for the one after a refused recipe."""
        plan = self._plan
        # Those that learn nothing from a refused recipe would suggest it again; TPE may stay among them.
        own_draws = TPE_DRAWS if isinstance(plan.sampler, Tpe) else 1
        return samplers.build(
            plan.sampler if draw < own_draws else Random(),
            plan.space,
            samplers.stable_seed(plan.seed, "draw", draw) if draw else plan.seed,
            number,
            self._warm_start,
            Recipes(plan.max_epochs, to_record(cast(BaseModel, plan.default_recipe)), self._accepts),
            plan.folder,
            samplers.Memory(self._table, self._points, models),
        )

    def _sample(
        self,
        storage: SamplerStorage | SnapshotStorage,
        number: int,
        sampler: BaseSampler,
        pruner: BasePruner,
        asked_for: dict[str, BaseDistribution] | None,
    ) -> tuple[FrozenTrial, dict[str, Any]]:
        # hyperband decides by a trial's number what its sampler sees
        study = optuna.load_study(
            storage=storage, study_name=schema.STUDY_NAME, sampler=sampler, pruner=pruner
        )
        try:
            if asked_for is not None:
                sampled = dict(study.ask(asked_for).params)
            else:
                sampled = self._plan.space.suggest(study.ask())
        except BenchsweepError:
            raise
        except MemoryError as error:
            raise SamplerOutOfMemory(
                f"the sampler {self._plan.sampler.name} lacks the memory to suggest trial {number} ({error})",
                f"continue with another sampler: benchsweep extend {self._reference} --set sampler.name=tpe",
            ) from error
        except Exception as error:
            if isinstance(self._plan.sampler, OwnSampler):
                raise OwnClassFailed.of(self._plan.sampler.name, f"for trial {number}", error) from error
            raise
        assert storage.trial is not None
        return storage.trial, sampled

    def _asked_for(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """What objectives asked for so far, each as it was last asked for, without what the plan fixes."""
        known: dict[str, BaseDistribution] = {}
        for trial in trials:
            known |= trial.distributions
        return {name: known[name] for name in sorted(known) if name not in self._plan.recipe}


def _reason(error: Exception) -> str:
    """Why a recipe was rejected, in one line."""
    if isinstance(error, ValidationError):
        return "; ".join(map(rule, error.errors()))
    return f"{type(error).__name__}: {error}"
