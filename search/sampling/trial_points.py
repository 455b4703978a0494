"""A study's trials as the surrogate model sees them.

Imports optuna, so it is imported only with the study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.records import schema
from search.surrogate.curves import Curve
from search.surrogate.encoding import Encoding
from search.surrogate.model import History


def history(
    trials: Sequence[FrozenTrial], encoding: Encoding, direction: StudyDirection, epochs: int
) -> History:
    """What these trials say.

    A stopped or running trial is an unfinished curve; one that failed or diverged, or whose metric is not
    finite, is a place to keep away from. epochs: of a trial whose recipe is not on record.
    """
    curves: list[Curve] = []
    numbers: list[int] = []
    pending: list[np.ndarray] = []
    failed: list[np.ndarray] = []
    for trial in trials:
        if trial.user_attrs.get(schema.SAME_AS) is not None:
            continue
        point = encoding.point(trial.params)
        values = [value for _, value in sorted(trial.intermediate_values.items())]
        diverged = schema.DIVERGED in trial.user_attrs or not all(map(math.isfinite, values))
        if trial.state is TrialState.FAIL or diverged:
            failed.append(point)
        elif trial.number < 0:  # of a warm start, of which the last value alone is known
            if trial.state is TrialState.COMPLETE and trial.value is not None:
                curves.append(Curve([trial.value], 1, point))
                numbers.append(trial.number)
        elif values:
            complete = trial.state is TrialState.COMPLETE
            recipe = trial.user_attrs.get(schema.RECIPE, {})
            curves.append(Curve(values, len(values) if complete else recipe.get("epochs", epochs), point))
            numbers.append(trial.number)
        elif trial.state is TrialState.RUNNING:
            pending.append(point)
    return History(_larger_is_better(curves, direction), pending, failed, numbers)


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
