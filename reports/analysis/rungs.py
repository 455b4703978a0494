"""The rungs of a search: the epochs after which its pruner decides who goes on."""

from __future__ import annotations

from reports.analysis.ranking import trained
from search.plan.pruner import NoPruner, Pruner, SuccessiveHalving, rungs
from search.records.sweep import Sweep, Trial


def planned_epochs(trial: Trial) -> int:
    """Epochs that the trial's recipe asks for; those it trained where the recipe does not tell."""
    asked = trial.recipe.get("epochs")
    return asked if isinstance(asked, int) else len(trial.epochs)


def pruner_of(sweep: Sweep) -> Pruner:
    """The pruner of the plan in force; `NoPruner` if it is unknown."""
    return sweep.plan.pruner or NoPruner()


def rungs_of(sweep: Sweep) -> tuple[int, ...]:
    """The rungs that a trial of the search's longest recipe passes, in order; none without a halving."""
    longest = max((planned_epochs(trial) for trial in trained(sweep)), default=0)
    return rungs(pruner_of(sweep), longest)


def reduction_factor_of(sweep: Sweep) -> int | None:
    """One trial in so many goes on at a rung; None where that is not a share of all that come there. Of
    hyperband's halvings each decides on its own trials."""
    settings = pruner_of(sweep)
    return settings.reduction_factor if isinstance(settings, SuccessiveHalving) else None
