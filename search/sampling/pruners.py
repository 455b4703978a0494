"""Optuna's pruners, built from the [pruner] table of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.plan.pruner import Hyperband, Median, NoPruner, Patient, Pruner, SuccessiveHalving, Threshold

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def build(settings: Pruner, epochs: int) -> BasePruner:
    """The pruner of a search whose trials have at most `epochs` epochs.

    Its state is completely in the study, so it survives a resume.
    """
    # Imported here, since it takes 0.3 s, which only the process that searches needs to spend.
    from optuna import pruners

    from search.sampling.adapted import ExactHyperband, Plateau

    arguments = settings.model_dump(exclude={"name", "wrapped"})
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
        case Patient():
            wrapped = None if settings.wrapped is None else build(settings.wrapped, epochs)
            return Plateau(wrapped, **arguments)
