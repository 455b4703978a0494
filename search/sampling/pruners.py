"""Optuna's pruners, built from a plan's settings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from search.plan.pruner import Hyperband, Median, Nothing, Patient, Pruner, SuccessiveHalving, Threshold

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def build(settings: Pruner, epochs: int) -> BasePruner:
    """The pruner for a search whose trials train at most `epochs`. It reads all it knows in the
    study, so that after a resume it knows what it knew before."""
    # A third of a second, spent by the process that searches and by no other.
    import optuna
    from optuna import pruners

    given = settings.model_dump(exclude={"name", "wrapped"})
    match settings:
        case Nothing():
            return pruners.NopPruner()
        case SuccessiveHalving():
            return pruners.SuccessiveHalvingPruner(**given)
        case Hyperband():
            return pruners.HyperbandPruner(**{**given, "max_resource": settings.max_resource or epochs})
        case Median():
            return pruners.MedianPruner(**given)
        case Threshold():
            return pruners.ThresholdPruner(**given)
        case Patient():
            wrapped = None if settings.wrapped is None else build(settings.wrapped, epochs)
            with warnings.catch_warnings():
                # That it is experimental was weighed when it became a setting.
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return pruners.PatientPruner(wrapped, **given)
