"""What a search will cost on this machine: its time, memory and disk, from a few timed epochs."""

from __future__ import annotations

import math
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import NormalDist
from typing import Any

from search.cluster.access import Site
from search.cluster.capacity import Host, cluster_of
from search.cluster.this_machine import check_room, gpus
from search.plan.plan import Plan
from search.plan.setting import ChoiceSetting
from trainable.contract import RecipeModel
from trainable.storage.checkpoint import Checkpoint
from trainable.user_code import calling, epochs_of

CONFIDENCE = 0.9
"""Of the interval of a duration."""
_EPOCHS = 2
"""Epochs that are trained of a recipe. The last is timed: the first also prepares what later ones reuse."""
_SLOW = 5.0
"""Seconds of a first epoch above which no second one is trained."""


@dataclass(frozen=True)
class TimedRecipe:
    """A recipe of which an epoch was timed."""

    sampled: Mapping[str, Any]
    """Its hyperparameters from the space; empty for the default recipe."""
    epoch_seconds: float
    """Wall time of one epoch with its validation and its checkpoint, one training at a time."""
    epochs: int
    """Epochs of a complete training."""
    checkpoint_bytes: int
    """Size of its checkpoint."""

    @property
    def seconds(self) -> float:
        """Of a complete training."""
        return self.epoch_seconds * self.epochs


@dataclass(frozen=True)
class Estimate:
    """A duration that is not known exactly."""

    seconds: float
    """Its expected value."""
    low: float | None
    """Lower end of its interval, in seconds; None if it cannot be estimated from one recipe."""
    high: float | None
    """Upper end, likewise."""


@dataclass(frozen=True)
class Cost:
    """What a search will take if no trial is pruned."""

    workers: int
    """Trials that are trained at the same time."""
    trials_per_hour: float
    """Complete trainings in an hour, of all workers."""
    limits: Mapping[str, Estimate]
    """When the search reaches each of its limits: trials, wall_time, epochs."""
    confirmation: Estimate | None
    """How long the confirmation takes if no candidate is eliminated early; None without one."""
    memory_bytes: int
    """Of all workers, as this process needed it for one."""
    checkpoint_bytes: int
    """Of the largest checkpoint that was made."""

    @property
    def first_limit(self) -> str | None:
        """The limit that ends the search; None if only a target or patience does."""
        return min(self.limits, key=lambda name: self.limits[name].seconds, default=None)


def corners(plan: Plan, count: int) -> Iterator[Mapping[str, Any]]:
    """The default recipe's hyperparameters (none), then at most `count` different corners of the space: each
    range at one of its ends, each choice at one of its values. The first has all ranges at their low ends,
    the second at their high ends."""
    yield {}
    settings, draw = plan.space.settings, random.Random(plan.seed)
    ends = plan.space.grid(2)
    seen: list[Mapping[str, Any]] = []
    for attempt in range(10 * count):
        if len(seen) == count or not settings:
            return
        params = {}
        for name, values in ends.items():
            end = attempt if attempt < 2 else draw.randrange(2)
            choice = attempt if attempt < 2 else draw.randrange(len(values))
            params[name] = values[choice % len(values) if isinstance(settings[name], ChoiceSetting) else -end]
        sampled = plan.space.decode(params)
        if sampled not in seen and _is_recipe(plan, sampled):
            seen.append(sampled)
            yield sampled


def _is_recipe(plan: Plan, sampled: Mapping[str, Any]) -> bool:
    try:
        plan.recipe_for(sampled)
    except ValueError:  # the trainable refuses the combination, as it will in the search
        return False
    return True


def timed_recipes(
    plan: Plan, data_folder: Path, device: str, count: int, patience: float
) -> Iterator[TimedRecipe]:
    """Train an epoch or two of the default recipe and of at most `count` corners of the space, in this
    process, and yield each. After `patience` seconds no further recipe is begun.

    Raises what the trainable raises (TrainableError, Diverged, DataError)."""
    began = time.perf_counter()
    with calling("Source.load"):
        data = plan.source.load(data_folder)
    for sampled in corners(plan, count):
        if sampled and time.perf_counter() - began > patience:
            return
        recipe = plan.recipe_for(sampled)
        seconds, size = _timed(plan, recipe, data, device)
        yield TimedRecipe(sampled, seconds, recipe.epochs, size)


def _timed(plan: Plan, recipe: RecipeModel, data: Any, device: str) -> tuple[float, int]:
    """Seconds of an epoch, and bytes of its checkpoint."""
    with calling("Training"):
        training = plan.trainable_module.Training(recipe, data, device, plan.resources.cpus)
    seconds, size = 0.0, 0
    began = time.perf_counter()
    for epoch in islice(epochs_of(training), _EPOCHS):
        with calling("Training.state_dict"):
            size = len(Checkpoint(training.state_dict(), (epoch,)).to_bytes())
        seconds = time.perf_counter() - began
        if seconds > _SLOW:
            break
        began = time.perf_counter()
    return seconds, size


def workers_of(plan: Plan, site: Site) -> int:
    """Trials that this machine trains at the same time. Raises InsufficientResources."""
    if site.local:
        return 1
    check_room(plan.resources, site)
    resources = {"CPU": float(os.cpu_count() or 1), "GPU": float(gpus()), **plan.resources.custom}
    workers = cluster_of([Host("", "this machine", resources)], plan.resources).workers
    return min(workers, plan.window) if plan.order == "strict" else workers


def cost_of(plan: Plan, timed: Sequence[TimedRecipe], workers: int) -> Cost:
    """The cost of the plan's search, given at least one timed recipe. Trials are assumed to be as long, on
    average, as the timed ones, without the default recipe if there are others."""
    in_space = [recipe for recipe in timed if recipe.sampled] or list(timed)
    training = [recipe.seconds for recipe in in_space]
    epoch = [recipe.epoch_seconds for recipe in in_space]
    limits: dict[str, Estimate] = {}
    if plan.max_trials is not None:
        limits["trials"] = _total(training, plan.max_trials, workers)
    if plan.budget.epochs is not None:
        limits["epochs"] = _total(epoch, plan.budget.epochs, workers)
    if (wall_time := plan.budget.wall_time) is not None:
        limits["wall_time"] = Estimate(wall_time, wall_time, wall_time)
    settings = plan.confirmation
    confirmation = None
    if settings.candidates:
        confirmation = _total(training, (settings.candidates + 1) * settings.seeds, workers)
    return Cost(
        workers=workers,
        trials_per_hour=3600 * workers / statistics.mean(training),
        limits=limits,
        confirmation=confirmation,
        memory_bytes=workers * peak_memory(),
        checkpoint_bytes=max(recipe.checkpoint_bytes for recipe in timed),
    )


def _total(seconds: Sequence[float], count: int, workers: int) -> Estimate:
    """The time of `count` trainings or epochs like those of which `seconds` are a sample."""
    at_once = min(workers, count)
    mean = statistics.mean(seconds)
    total = count * mean / at_once
    if len(seconds) < 2:
        return Estimate(total, None, None)
    error = statistics.stdev(seconds) * math.sqrt(1 / len(seconds) + 1 / count)
    reach = _quantile(len(seconds) - 1) * error
    low, high = max(min(seconds), mean - reach), min(max(seconds), mean + reach)
    return Estimate(total, count * low / at_once, count * high / at_once)


def _quantile(freedom: int) -> float:
    """Of Student's t, for a two-sided interval: its expansion in 1 / freedom, 6 % too small for two
    degrees of freedom. (The ends of the interval are never beyond the shortest and the longest recipe.)"""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    first = (z**3 + z) / (4 * freedom)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
