"""`benchsweep plan`: times a few epochs, and prints what the search will cost."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from rich.text import Text

from benchsweep import terminal
from benchsweep.find import read_plan
from benchsweep.screen.lines import hyperparameters
from benchsweep.session.expected_time import LIMITS, interval_text
from benchsweep.terminal import typed_command
from reports.formatting.wording import duration, plural
from search.cluster.access import Site
from search.cluster.capacity import trial_resources
from search.cost import Cost, TimedRecipe, cost_of, timed_recipes, workers_of
from search.plan.plan import Plan
from trainable.contract import data_folder

_LABEL = 13
"""Columns of the labels on the left."""


def estimate(
    config: Path,
    sets: Sequence[str],
    corners: int,
    seconds: float,
    runs: Path,
    data_dir: Path | None,
    dataset: str | None,
    local: bool,
    json: bool,
) -> None:
    """Prints each timed recipe, and then the cost. Raises PlanError, InsufficientResources, and what the
    trainable raises."""
    timed: list[TimedRecipe] = []
    # What the trainable prints must not be part of the JSON.
    with redirect_stdout(sys.stderr) if json else nullcontext():
        plan = read_plan(config, sets, dataset)
        plan.check_searchable(str(config))
        workers = workers_of(plan, Site(local=local))
        device = trial_resources(plan.resources)[0].device
        if not json:
            terminal.say(terminal.out(), Text.assemble((plan.name, "bold"), f": {_setup(workers, device)}"))
        for recipe in timed_recipes(plan, data_folder(data_dir), device, corners, seconds):
            timed.append(recipe)
            if not json:
                _print_recipe(plan, recipe)
    cost = cost_of(plan, timed, workers)
    disk = _disk_bytes(plan, cost)
    free = shutil.disk_usage(
        next(path for path in (runs.absolute(), *runs.absolute().parents) if path.is_dir())
    )
    available = psutil.virtual_memory().available
    if json:
        terminal.print_json(
            {
                **_as_json(plan, timed, cost),
                "memory_available": available,
                "disk_bytes": disk,
                "disk_free": free.free,
            }
        )
        return
    _print_cost(plan, cost)
    _print_fact("memory", f"{_size(cost.memory_bytes)} for {plural(cost.workers, 'worker')}", available)
    _print_fact(
        "disk", f"up to {_size(disk)} of checkpoints" if disk else "checkpoints take next to none", free.free
    )
    terminal.say(terminal.out(), f"Search with: {typed_command('run', str(config), *_options(sets, local))}")


def _setup(workers: int, device: str) -> str:
    return f"{plural(workers, 'trial')} at a time on {device}; timing an epoch of a few recipes"


def _options(sets: Sequence[str], local: bool) -> list[str]:
    return [word for text in sets for word in ("--set", text)] + (["--local"] if local else [])


def _print_recipe(plan: Plan, recipe: TimedRecipe) -> None:
    sampled = hyperparameters(recipe.sampled, plan.space.names) if recipe.sampled else "the default recipe"
    seconds = f"{recipe.epoch_seconds:.2f} s"
    terminal.out().print(
        Text.assemble(f"{seconds:>9} an epoch  ", (sampled, "dim")), no_wrap=True, overflow="ellipsis"
    )


def _print_cost(plan: Plan, cost: Cost) -> None:
    _print_fact("speed", f"{cost.trials_per_hour:,.0f} trials an hour, if none is pruned")
    for name, limit in cost.limits.items():
        if name != "wall_time":
            count = plan.max_trials if name == "trials" else plan.budget.epochs
            _print_fact(LIMITS[name], f"{count:,} of them take {interval_text(limit)}")
        else:
            _print_fact(LIMITS[name], f"at most {duration(limit.seconds)}")
    if cost.first_limit is None:
        _print_fact("search", "it ends by its patience, whose time cannot be estimated")
    else:
        ending = LIMITS[cost.first_limit]
        _print_fact(
            "search", f"{interval_text(cost.limits[cost.first_limit])}, ended by its limit of {ending}"
        )
    if plan.budget.target is not None or (plan.budget.patience is not None and cost.first_limit is not None):
        _print_fact("", "or earlier, by its target or patience")
    if cost.confirmation is not None:
        _print_fact("confirmation", f"then up to {interval_text(cost.confirmation)}")


def _print_fact(name: str, text: str, available: int | None = None) -> None:
    note = "" if available is None else f", of {_size(available)} that are free"
    terminal.say(terminal.out(), Text.assemble((f"{name:{_LABEL}}", "dim"), text + note))


def _disk_bytes(plan: Plan, cost: Cost) -> int:
    """Of the checkpoints, if each trial keeps one, and each worker is replacing one."""
    trials = plan.max_trials
    if trials is None:
        first = cost.first_limit
        seconds = 0.0 if first is None else cost.limits[first].seconds
        trials = round(cost.trials_per_hour * seconds / 3600)
    return (trials + cost.workers) * cost.checkpoint_bytes


def _size(count: float) -> str:
    return f"{count / 10**9:.1f} GB" if count >= 10**8 else f"{count / 10**6:.1f} MB"


def _as_json(plan: Plan, timed: Sequence[TimedRecipe], cost: Cost) -> dict[str, Any]:
    first = cost.first_limit
    total = None if first is None else cost.limits[first]
    return {
        "name": plan.name,
        "recipes": [asdict(recipe) for recipe in timed],
        **asdict(cost),
        "first_limit": first,
        "seconds": None if total is None else total.seconds,
        "low": None if total is None else total.low,
        "high": None if total is None else total.high,
    }
