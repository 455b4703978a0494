"""The pruner `forecast`: pauses trials whose forecast end is hardly among the best, and lets them go on when
that changes.

Imports optuna, so it is imported only when a pruner is built.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

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
        self, trials: Sequence[FrozenTrial], direction: StudyDirection, paused: Collection[int], new: bool
    ) -> int | None:
        """The number of the paused trial that is to go on; None if none is.

        trials: of the study. paused: numbers of the paused ones. new: whether a new trial may start instead.
        Then a paused one goes on if its expected improvement for each epoch that it lacks is larger than that
        of the best new recipe for each epoch that a trial typically takes; else if its chance is no longer
        below that at which it was paused."""
        known = self._history(trials, direction)
        rows = [row for row, number in enumerate(known.curve_numbers) if number in paused]
        if not rows:
            return None
        known = bounded(known, len(trials))
        model = Model(known, self._encoding, len(trials))
        lengths = np.array([len(curve.values) for curve in known.curves])
        worth = model.log_gains() - np.log([curve.epochs - len(curve.values) or 1 for curve in known.curves])
        rows = [row for row, number in enumerate(known.curve_numbers) if number in paused]
        if not new:
            chances = model.chances(self._rank)
            rows = [row for row in rows if chances[row] >= self._chance]
        if not rows:
            return None
        best = max(rows, key=lambda row: float(worth[row]))
        if new and worth[best] <= model.log_gain_of_new() - math.log(lengths[-_RECENT:].mean()):
            return None
        return known.curve_numbers[best]

    def _history(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> History:
        learned = [trial for trial in trials if trial.number >= self._first]
        return history(learned, self._encoding, direction, self._epochs)
