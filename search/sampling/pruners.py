"""Optuna's pruners, built from the [pruner] table of a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search.plan.own import class_of, settings_of
from search.plan.pruner import (
    Forecast,
    Hyperband,
    Median,
    NoPruner,
    OwnPruner,
    Patient,
    Pruner,
    SuccessiveHalving,
    Threshold,
)
from search.plan.space import Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def build(
    settings: Pruner, epochs: int, space: Space | None = None, first: int = 0, folder: Path | None = None
) -> BasePruner:
    """The pruner of a search whose trials have at most `epochs` epochs.

    Its state is completely in the study, so it survives a resume. space: the
    hyperparameters of trials, for a pruner that looks at them. first: the first trial with this space.
    folder: where a class of the user's is looked for first.
    """
    # Imported here, since it takes 0.3 s, which only the process that searches needs to spend.
    from optuna import pruners

    from search.sampling.adapted import ExactHyperband, Plateau

    if isinstance(settings, OwnPruner):
        own: BasePruner = class_of(settings.name, "pruner", folder)(**settings_of(settings))
        return own
    arguments = settings.model_dump(exclude={"name", "wrapped", "audit"})
    match settings:
        case NoPruner():
            return pruners.NopPruner()
        case SuccessiveHalving():
            return pruners.SuccessiveHalvingPruner(**arguments)
        case Hyperband():
            return ExactHyperband(**{**arguments, "max_resource": settings.max_resource or epochs})
        case Median():
            return pruners.MedianPruner(**arguments)
        case Threshold():
            return pruners.ThresholdPruner(**arguments)
        case Forecast():
            from search.sampling.forecast import ForecastPruner

            return ForecastPruner(
                space or Space({}),
                epochs,
                first,
                settings.chance,
                settings.among,
                settings.min_share,
                settings.n_startup_trials,
            )
        case Patient():
            wrapped = None if settings.wrapped is None else build(settings.wrapped, epochs)
            return Plateau(wrapped, **arguments)
