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
from search.records.sweep import Sweep
from trainable.errors import InputError


class CannotExtend(InputError):
    """What was asked for extends nothing; says why."""


@dataclass(frozen=True)
class More:
    """What is added to a budget. wall_time: seconds. None adds nothing."""

    trials: int | None = None
    wall_time: float | None = None
    epochs: int | None = None


def extended(
    plan: Plan, sweep: Sweep, more: More, sets: Sequence[str] = (), recorded: Plan | None = None
) -> Plan:
    """The plan of the run `sweep` with more budget, and with overrides such as
    "space.dropout.high=0.4" made to it.

    `more` adds to the plan's own limits, or to what was spent where that is more or no limit is set. A
    limit that is spent and that nothing is added to is lifted, or the addition would add nothing. A
    setting that is searched from now on is fixed no more, and the other way round.
    Raises PlanError, and CannotExtend when nothing changes: `recorded` is the run's own plan, where
    `plan` has been changed already.
    """
    overrides = [one for one in map(Override.parse, sets) if isinstance(one, Override)]
    table = _moved(plan.to_table(), overrides)
    table["budget"] = _budget(table.get("budget", {}), sweep, more, {one.path for one in overrides})
    made = Plan.parse(table, f"the plan of {plan.name}", sets)
    if made == (recorded or plan):
        raise CannotExtend(
            f"an extension must change something, but the plan of {plan.name} stays as it is; give --trials, "
            f"--time, --epochs or --set"
        )
    return made


def _budget(
    budget: Mapping[str, Any], sweep: Sweep, more: More, named: set[tuple[str, ...]]
) -> dict[str, Any]:
    limits = dict(Budget.model_validate(budget))
    spent = {
        "trials": len(sweep.trials),
        "wall_time": sweep.seconds,
        "epochs": sum(len(trial.epochs) for trial in sweep.trials),
    }
    added = {name: amount for name, amount in vars(more).items() if amount is not None}
    for name, amount in added.items():
        limits[name] = max(limits[name] or 0, spent[name]) + amount
    if added:
        for name in limits.keys() - added.keys():
            if limits[name] is not None and spent[name] >= limits[name] and ("budget", name) not in named:
                limits[name] = None
    if more.wall_time is not None:
        limits["wall_time"] = math.ceil(limits["wall_time"])
    return Budget.model_validate(limits).model_dump(mode="json", exclude_none=True)


def _moved(table: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """The table without what an override of the other kind replaces: a plan on record holds every
    default, and a setting is either fixed or searched."""
    made = copy.deepcopy(table)
    paths = {one.path for one in overrides}
    for one in overrides:
        if len(one.path) < 2 or one.value is None:
            continue
        other = {"space": "recipe", "recipe": "space"}.get(one.path[0])
        if other is not None and (other, one.path[1]) not in paths:
            made.get(other, {}).pop(one.path[1], None)
    return made
