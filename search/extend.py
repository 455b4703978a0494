"""More budget, or another space, for a run that exists."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.plan.budget import Budget
from search.plan.override import Override
from search.plan.plan import Plan
from search.records.sweep import State, Sweep
from search.study.stagnation import EndedTrial, trials_without_gain
from trainable.errors import InputError


class CannotExtend(InputError):
    """The extension would change nothing."""


@dataclass(frozen=True)
class BudgetIncrease:
    """What is added to a budget; None adds nothing."""

    trials: int | None = None
    wall_time: float | None = None
    """Seconds."""
    epochs: int | None = None
    """Of all trials together."""


def extended_plan(
    plan: Plan,
    sweep: Sweep,
    increase: BudgetIncrease,
    sets: Sequence[str | Override] = (),
    recorded: Plan | None = None,
) -> Plan:
    """The plan of the run `sweep` with more budget, and with overrides such as "space.dropout.high=0.4".

    `increase` adds to the plan's own limits, or to what was spent if that is more or there is no limit.
    Another limit that is spent already is removed, or the increase would have no effect. A hyperparameter
    that an override moves into the space leaves the recipe, and the other way round. recorded: the run's own
    plan, if `plan` has been changed already.

    Raises PlanError, and CannotExtend if nothing changes.
    """
    parsed = [Override.parse(change) if isinstance(change, str) else change for change in sets]
    overrides = [override for override in parsed if isinstance(override, Override)]
    table = _without_replaced(plan.to_table(), overrides)
    paths = {override.path for override in overrides}
    table["budget"] = _increased_budget(table.get("budget", {}), sweep, increase, paths)
    extended = Plan.parse(table, f"the plan of {plan.name}", sets, plan.folder)
    if extended == (recorded or plan):
        raise CannotExtend(
            f"an extension must change something, but the plan of {plan.name} stays the same",
            "give --trials, --time, --epochs or --set",
        )
    return extended


def _increased_budget(
    budget: Mapping[str, Any], sweep: Sweep, increase: BudgetIncrease, overridden: set[tuple[str, ...]]
) -> dict[str, Any]:
    limits = dict(Budget.model_validate(budget))
    spent: dict[str, float] = {
        "trials": len(sweep.trials),
        "wall_time": sweep.seconds,
        "epochs": sum(len(trial.epochs) for trial in sweep.trials),
    }
    added = {name: amount for name, amount in vars(increase).items() if amount is not None}
    for name, amount in added.items():
        limits[name] = max(limits[name] or 0, spent[name]) + amount
    if added:
        for name in limits.keys() - added.keys():
            reached = limits[name] is not None and _reached(name, limits[name], spent, sweep)
            if reached and ("budget", name) not in overridden:
                limits[name] = None
    if increase.wall_time is not None:
        limits["wall_time"] = float(math.ceil(limits["wall_time"]))
    return Budget.model_validate(limits).model_dump(mode="json", exclude_none=True)


def _without_replaced(table: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """The table without the fixed value of each hyperparameter that an override searches, and without the
    domain of each that an override fixes: a recorded plan holds every default."""
    remaining = copy.deepcopy(table)
    paths = {override.path for override in overrides}
    for override in overrides:
        if len(override.path) < 2 or override.value is None:
            continue
        opposite = {"space": "recipe", "recipe": "space"}.get(override.path[0])
        if opposite is not None and (opposite, override.path[1]) not in paths:
            remaining.get(opposite, {}).pop(override.path[1], None)
    return remaining


def _reached(name: str, limit: float, spent: Mapping[str, float], sweep: Sweep) -> bool:
    """Whether this limit of a budget has been reached."""
    if name == "target":
        best = sweep.best()
        return best is not None and best.score is not None and not sweep.metric.better(limit, best.score)
    if name == "patience":
        ended = [(trial.ended, trial) for trial in sweep.trials if trial.ended and trial.same_as is None]
        metric = sweep.metric
        in_order = (
            EndedTrial(trial.state is State.COMPLETE, [epoch.metrics[metric.name] for epoch in trial.epochs])
            for _, trial in sorted(ended, key=lambda pair: (pair[0], pair[1].number))
        )
        return trials_without_gain(in_order, metric.sign) >= limit
    return spent[name] >= limit
