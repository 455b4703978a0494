"""The pruner `forecast`: pauses trials whose forecast end is hardly among the best, and lets them go on when
that changes.

Imports optuna, so it is imported only when a pruner is built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from search.plan.space import Space
from search.records import schema
from search.sampling.trial_points import history
from search.surrogate.curves import rungs
from search.surrogate.encoding import Encoding
from search.surrogate.model import History, Model, bounded

_RECENT = 20
"""Number of trials, the latest, whose mean length is what a new trial is expected to take."""


class ForecastPruner(BasePruner):
    """Decides at epochs in geometric progression, by the model of `search.surrogate`."""

    def __init__(
        self, space: Space, epochs: int, first: int, chance: float, rank: int, min_share: float, startup: int
    ) -> None:
        """epochs: of a trial whose recipe is not on record. first: the first trial that is learned from.
        chance: of ending among the `rank` best, below which a trial is paused. min_share: of a training
        before which none is paused. startup: number of trials that must have been trained beyond an epoch
        before one is paused at it."""
        self._encoding, self._epochs, self._first = Encoding(space), epochs, first
        self._chance, self._rank, self._min_share, self._startup = chance, rank, min_share, startup

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to pause the trial after its last epoch on record."""
        epoch = max(trial.intermediate_values, default=0)
        epochs = trial.user_attrs.get(schema.RECIPE, {}).get("epochs", self._epochs)
        if epoch not in rungs(epochs)[:-1] or epoch < self._min_share * epochs:
            return False
        known = self._history(study.get_trials(deepcopy=False), study.direction)
        if sum(len(curve.values) > epoch for curve in known.curves) < self._startup:
            return False
        if trial.number not in known.curve_numbers:  # its metric is not finite
            return True
        known = bounded(known, trial.number, keep=trial.number)
        row = known.curve_numbers.index(trial.number)
        return bool(Model(known, self._encoding, 0).chances(self._rank)[row] < self._chance)

    def most_promising(
        self, trials: Sequence[FrozenTrial], direction: StudyDirection, paused: Set[int], new: bool
    ) -> int | None:
        """The number of the paused trial that is to go on; None if none is.

        It is one whose chance is no longer too low, or it would soon be paused again, and of these the one
        with the largest expected improvement for each epoch that it lacks.

        trials: of the study. paused: numbers of the paused ones. new: whether a new trial may start instead.
        Then that improvement must be larger than that by the best new recipe for each epoch that a trial
        typically takes."""
        known = bounded(self._history(trials, direction), len(trials))
        if not paused & set(known.curve_numbers):
            return None
        model = Model(known, self._encoding, len(trials))
        chances, gains = model.chances(self._rank), model.log_gains()
        lengths = np.array([len(curve.values) for curve in known.curves])
        lacking = np.array([curve.epochs for curve in known.curves]) - lengths
        worth = {
            row: float(gains[row]) - math.log(lacking[row])
            for row, number in enumerate(known.curve_numbers)
            if number in paused and chances[row] >= self._chance
        }
        best = max(worth, key=worth.__getitem__, default=None)
        if best is None:
            return None
        if new and worth[best] <= model.log_gain_of_new() - math.log(lengths[-_RECENT:].mean()):
            return None
        return known.curve_numbers[best]

    def _history(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> History:
        learned = [trial for trial in trials if trial.number >= self._first]
        return history(learned, self._encoding, direction, self._epochs)
