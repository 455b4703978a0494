"""The sampler `auto`: an evenly spread start, then a model that learns from every trial.

Imports optuna, so it is imported only when a sampler is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.plan.space import NotInSpace, Space
from search.sampling.model_cache import ModelCache
from search.sampling.recipes import Recipes
from search.sampling.trial_points import TrialPoints
from search.surrogate.acquisition import Allowed, random_points
from search.surrogate.encoding import Encoding
from search.surrogate.model import History, Model, bounded

_DESIGN = 256
"""Points of the evenly spread start, from which those are taken that are allowed."""
_SAME = 2
"""Decimals of the coordinates in which recipes must differ to be different ones."""
_LIKELY = 0.7
"""Probability above which a point of the start is likely to be trained."""


class AutoSampler(BaseSampler):
    """Suggests one trial: a point of an evenly spread start, or the maximum of the expected improvement.

    The first point of the start is the default recipe, if the space has it. A recipe on record is not
    suggested again, nor one that is not accepted, as long as another can be found.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        start_seed: int,
        startup: int,
        recipes: Recipes,
        points: TrialPoints | None = None,
        models: ModelCache | None = None,
    ) -> None:
        """seed: of this trial. start_seed: of the start, the same for all trials. startup: number of trials
        of the start. points: of the trials that earlier draws saw. models: of earlier draws; None to fit one
        for each, so that what it suggests depends on the study and the seed alone."""
        self._space, self._encoding, self._recipes = space, Encoding(space), recipes
        self._seed, self._start_seed, self._startup = seed, start_seed, startup
        self._points = points or TrialPoints(self._encoding, recipes.epochs)
        self._models = models

    def reseed_rng(self) -> None:
        """Nothing to do: what it suggests depends on its seed and the study alone."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All hyperparameters that have more than one value."""
        distributions = self._space.distributions()
        return {name: distributions[name] for name in distributions if not distributions[name].single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values of all hyperparameters; those whose condition fails are not used."""
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        known = self._points.history(others, study.direction)
        seen = {_cell(point) for point in map(self._points.point, others)}

        def allowed(point: np.ndarray) -> bool:
            sampled = self._space.decode(self._encoding.params(point))
            return _cell(point) not in seen and self._recipes.accepts(sampled)

        params = self._encoding.params(self._point(known, allowed))
        return {name: params[name] for name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Never called for a hyperparameter of the space."""
        raise ValueError(f"{param_name} must be in the plan's space")

    def _point(self, known: History, allowed: Allowed) -> np.ndarray:
        if not self._encoding.dimensions:
            return np.zeros(0)
        point = None
        if len(known) < self._startup or not known.curves:
            point = self._of_start(known, allowed)
        if point is None and known.curves:
            point = self._model(known).suggest(allowed)
        if point is None:
            candidates = random_points(self._encoding, _DESIGN, self._seed)
            # Where nothing new is left, a recipe is repeated, and the search ends by its own rule.
            point = next(filter(allowed, candidates), candidates[0])
        return point

    def _model(self, known: History) -> Model:
        def build() -> Model:
            return Model(bounded(known, self._seed), self._encoding, self._seed).fit()

        return build() if self._models is None else self._models.get(known, self._seed, build)

    def _of_start(self, known: History, allowed: Allowed) -> np.ndarray | None:
        """The next point of the start: of those that are left, the first that is likely to be trained."""
        if (default := self._default_point()) is not None and allowed(default):
            return default
        points = random_points(self._encoding, _DESIGN, self._start_seed)
        left: Sequence[np.ndarray] = [point for point in points[: _DESIGN // 4] if allowed(point)]
        left = left or [point for point in points if allowed(point)]
        if not left:
            return None
        if not known.curves:
            return left[0]
        likely = Model(known, self._encoding, self._seed).feasibility.log_probability(np.array(left))
        good = np.flatnonzero(likely > np.log(_LIKELY))
        return left[int(good[0]) if len(good) else int(np.argmax(likely))]

    def _default_point(self) -> np.ndarray | None:
        try:
            return self._encoding.point(self._space.params_of(self._recipes.default))
        except NotInSpace:
            return None


def _cell(point: np.ndarray) -> bytes:
    """Equal for points whose recipes are all but the same."""
    return np.asarray(np.round(point, _SAME) + 0.0).tobytes()  # without -0.0
