"""The pruner `forecast`: stops trials whose forecast end is hardly the best.

Imports optuna, so it is imported only when a pruner is built.
"""

from __future__ import annotations

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.plan.space import Space
from search.records import schema
from search.sampling.trial_points import history
from search.surrogate.curves import rungs
from search.surrogate.encoding import Encoding
from search.surrogate.model import Model, bounded


class ForecastPruner(BasePruner):
    """Decides at epochs in geometric progression, by the model of `search.surrogate`."""

    def __init__(
        self, space: Space, epochs: int, first: int, chance: float, min_share: float, startup: int
    ) -> None:
        """epochs: of a trial whose recipe is not on record. first: the first trial that is learned from.
        chance: of ending as the best, below which a trial is stopped. min_share: of a training before which
        none is stopped. startup: number of trials that must have been trained beyond an epoch before one is
        stopped at it."""
        self._encoding, self._epochs, self._first = Encoding(space), epochs, first
        self._chance, self._min_share, self._startup = chance, min_share, startup

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial after its last epoch on record."""
        epoch = max(trial.intermediate_values, default=0)
        epochs = trial.user_attrs.get(schema.RECIPE, {}).get("epochs", self._epochs)
        if epoch not in rungs(epochs)[:-1] or epoch < self._min_share * epochs:
            return False
        trials = [other for other in study.get_trials(deepcopy=False) if other.number >= self._first]
        known = history(trials, self._encoding, study.direction, self._epochs)
        if sum(len(curve.values) > epoch for curve in known.curves) < self._startup:
            return False
        if trial.number not in known.curve_numbers:  # its metric is not finite
            return True
        known = bounded(known, trial.number, keep=trial.number)
        row = known.curve_numbers.index(trial.number)
        return bool(Model(known, self._encoding, 0).chances()[row] < self._chance)
