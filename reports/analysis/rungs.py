"""The rungs of a search: the epochs after which its pruner decides which trials continue."""

from __future__ import annotations

from reports.analysis.ranking import trained
from search.plan.pruner import NoPruner, Pruner, SuccessiveHalving, rungs
from search.records.sweep import Sweep, Trial


def planned_epochs(trial: Trial) -> int:
    """Epochs in the trial's recipe; the epochs it trained if the recipe has no such field."""
    planned = trial.recipe.get("epochs")
    return planned if isinstance(planned, int) else len(trial.epochs)


def pruner_of(sweep: Sweep) -> Pruner:
    """The pruner of the plan in force; `NoPruner` if it is unknown."""
    return sweep.plan.pruner or NoPruner()


def rungs_of(sweep: Sweep) -> tuple[int, ...]:
    """The rungs of the longest recipe of the search, ascending; none if the pruner has no rungs."""
    longest = max((planned_epochs(trial) for trial in trained(sweep)), default=0)
    return rungs(pruner_of(sweep), longest)


def reduction_factor_of(sweep: Sweep) -> int | None:
    """The pruner's reduction factor: one in this many trials continues after a rung. None if that is not a
    share of all trials at the rung; each bracket of Hyperband decides about its own trials."""
    settings = pruner_of(sweep)
    return settings.reduction_factor if isinstance(settings, SuccessiveHalving) else None
