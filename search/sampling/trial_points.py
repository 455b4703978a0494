"""A study's trials as the surrogate model sees them.

Imports optuna, so it is imported only with the study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.records import schema
from search.sampling.bounded import KEY
from search.surrogate.curves import Curve
from search.surrogate.encoding import Encoding
from search.surrogate.model import History


@dataclass(frozen=True)
class _Known:
    """A trial as a point."""

    point: np.ndarray
    """The recipe, of shape [d]."""
    curve: Curve | None
    """What it has shown, as recorded; None without an epoch, and if it failed or diverged."""
    failed: bool
    """Whether it failed or diverged, or its metric is not finite."""


class TrialPoints:
    """The trials of a study as points, each of which is computed once after it has ended."""

    def __init__(self, encoding: Encoding, epochs: int) -> None:
        """epochs: of a trial whose recipe is not on record."""
        self._encoding, self._epochs = encoding, epochs
        self._ended: dict[int, tuple[int, _Known]] = {}
        """By number: how many epochs a trial had, and the trial."""

    def point(self, trial: FrozenTrial) -> np.ndarray:
        """The trial's recipe, of shape [d]."""
        return self._of(trial).point

    def history(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> History:
        """What these trials say.

        A stopped or running trial is an unfinished curve; one that failed or diverged, or whose metric is not
        finite, is a place to keep away from."""
        curves: list[Curve] = []
        numbers: list[int] = []
        pending: list[np.ndarray] = []
        failed: list[np.ndarray] = []
        broken: set[int] = set()
        for trial in trials:
            if trial.user_attrs.get(schema.SAME_AS) is not None:
                continue
            if any(margin > 0 for margin in trial.system_attrs.get(KEY, ())):
                broken.add(trial.number)
            known = self._of(trial)
            if known.failed:
                failed.append(known.point)
            elif known.curve is not None:
                curves.append(known.curve)
                numbers.append(trial.number)
            elif trial.state is TrialState.RUNNING and trial.number >= 0:
                pending.append(known.point)
        return History(_larger_is_better(curves, direction), pending, failed, numbers, broken)

    def _of(self, trial: FrozenTrial) -> _Known:
        if not trial.state.is_finished():
            return self._computed(trial)
        # A paused trial, which a sampler sees as a pruned one, may go on.
        epochs = len(trial.intermediate_values)
        if trial.number not in self._ended or self._ended[trial.number][0] != epochs:
            self._ended[trial.number] = epochs, self._computed(trial)
        return self._ended[trial.number][1]

    def _computed(self, trial: FrozenTrial) -> _Known:
        point = self._encoding.point(trial.params)
        values = [value for _, value in sorted(trial.intermediate_values.items())]
        diverged = schema.DIVERGED in trial.user_attrs or not all(map(math.isfinite, values))
        if trial.state is TrialState.FAIL or diverged:
            return _Known(point, None, True)
        complete = trial.state is TrialState.COMPLETE
        if trial.number < 0:  # of a warm start, of which the last value alone is known
            known = complete and trial.value is not None
            return _Known(point, Curve([trial.value or 0.0], 1, point) if known else None, False)
        if not values:
            return _Known(point, None, False)
        recipe = trial.user_attrs.get(schema.RECIPE, {})
        epochs = len(values) if complete else recipe.get("epochs", self._epochs)
        return _Known(point, Curve(values, epochs, point), False)


def history(
    trials: Sequence[FrozenTrial], encoding: Encoding, direction: StudyDirection, epochs: int
) -> History:
    """As `TrialPoints.history`, of trials that are seen once."""
    return TrialPoints(encoding, epochs).history(trials, direction)


def _larger_is_better(curves: list[Curve], direction: StudyDirection) -> list[Curve]:
    """The curves with values to maximize. What is minimized and positive, such as a loss, is compared by its
    logarithm, since it often spans orders of magnitude."""
    if direction is StudyDirection.MAXIMIZE:
        return curves
    positive = all(value > 0 for curve in curves for value in curve.values)
    return [
        Curve([-math.log(value) if positive else -value for value in curve.values], curve.epochs, curve.point)
        for curve in curves
    ]
