"""Failed trials that are trained again, once what made them fail was mended."""

from __future__ import annotations

from search.plan.plan import Plan, PlanError
from search.plan.sampler import Grid
from search.records.enqueued import enqueue, enqueued, retried
from search.records.sweep import State, Sweep, Trial
from trainable.errors import InputError


class NothingFailed(InputError):
    """No trial of the run failed, or all that did were trained again."""


def plan_with_failed(plan: Plan, sweep: Sweep) -> Plan:
    """Asks the run `sweep`, which must be owned, to train the recipes of its failed trials again, before any
    new one. Returns its plan with as many more trials in the budget: a failed trial keeps its number and its
    record.

    Raises NothingFailed, PlanError for a plan that cannot have known recipes, and OSError.
    """
    if isinstance(plan.sampler, Grid):
        raise PlanError([f"the plan of {sweep.name}: a grid tries every recipe once; use another sampler"])
    waiting = {retried(name) for name, _ in enqueued(sweep.run)}
    failed = [trial for trial in sweep.trials if _to_train(trial, sweep) and trial.number not in waiting]
    if not failed and waiting <= {None}:
        raise NothingFailed(
            f"a failed trial must be there to be trained again, but {sweep.name} has none",
            f"continue it with `benchsweep resume {sweep.run.reference}`",
        )
    for trial in failed:
        enqueue(sweep.run, trial.sampled, trial.number)
    if plan.budget.trials is None:
        return plan
    more = plan.budget.model_copy(update={"trials": plan.budget.trials + len(failed)})
    return plan.model_copy(update={"budget": more})


def _to_train(trial: Trial, sweep: Sweep) -> bool:
    """Whether a trial failed and no later one has its recipe."""
    return (
        trial.state is State.FAILED
        and bool(trial.recipe)
        and not any(later.recipe == trial.recipe for later in sweep.trials[trial.number + 1 :])
    )
