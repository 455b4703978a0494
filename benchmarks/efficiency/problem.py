"""A problem for a search: its space, and the learning curve of each of its recipes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from search.plan.space import Space
from search.surrogate.encoding import Encoding

Params = Mapping[str, Any]


class Refused(ValueError):
    """A rule between hyperparameters excludes the recipe, which is known before it is trained."""


class Failed(RuntimeError):
    """The training of a recipe fails in its first epoch."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A space whose learning curves can be computed."""

    name: str
    """Family and instance, such as "schedules-3"."""
    table: Mapping[str, Any]
    """The [space] table."""
    epochs: int
    """Of a full training."""
    maximize: bool
    """Direction of the metric."""
    end: Callable[[Params], float]
    """The metric after the last epoch, without noise. Raises Refused and Failed."""
    curve: Callable[[Params, int], np.ndarray]
    """The metric after each epoch, of shape [epochs], for a seed of the noise. Raises Refused and Failed."""

    def accepts(self, params: Params) -> bool:
        """Whether no rule excludes the recipe."""
        try:
            self.end(params)
        except Refused:
            return False
        except Failed:
            pass
        return True

    @property
    def space(self) -> Space:
        """The hyperparameters."""
        space, faults = Space.parse(self.table)
        assert not faults, faults
        return space

    def missing(self, value: float, scale: tuple[float, float]) -> float:
        """The share of the distance from the median random recipe to the best known one that a metric lacks.
        scale: as `scale` returns it."""
        median, best = scale
        return (best - value) / (best - median)


@cache
def scale(problem: Problem) -> tuple[float, float]:
    """The metric of the median random recipe, of those that train, and of the best known one."""
    ends: list[float] = []
    points: list[dict[str, Any]] = []
    for params in random_recipes(problem, 3000, 0):
        try:
            ends.append(problem.end(params))
        except (Refused, Failed):
            continue
        points.append(params)
    sign = 1 if problem.maximize else -1
    median = float(np.median(ends))
    best = max(sign * end for end in ends)
    order = np.argsort([-sign * end for end in ends])[:8]
    for start in order:
        best = max(best, _climbed(problem, points[start], sign))
    return median, sign * best


def random_recipes(problem: Problem, count: int, seed: int) -> list[dict[str, Any]]:
    """Random recipes of the problem's space."""
    encoding, space = Encoding(problem.space), problem.space
    units = np.random.default_rng(seed).random((count, encoding.dimensions))
    return [space.decode(encoding.params(point)) for point in encoding.points(units)]


def _climbed(problem: Problem, params: dict[str, Any], sign: int) -> float:
    """The best end within reach of small changes."""
    rng = np.random.default_rng(0)
    best, current = sign * problem.end(params), dict(params)
    settings = problem.space.settings
    for step in range(1500):
        trial = dict(current)
        width = 0.3 * 0.997**step
        for name in current:
            if rng.random() > 0.4 or hasattr(settings[name], "choices"):
                continue
            setting = settings[name]
            low, high = (
                (math.log(setting.low), math.log(setting.high))
                if setting.log
                else (setting.low, setting.high)
            )
            at = math.log(current[name]) if setting.log else current[name]
            at = min(max(at + rng.normal() * width * (high - low), low), high)
            value = math.exp(at) if setting.log else at
            trial[name] = round(value) if isinstance(setting.low, int) else value
        try:
            end = sign * problem.end(trial)
        except (Refused, Failed):
            continue
        if end > best:
            best, current = end, trial
    return best


def positions(params: Params, table: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray:
    """Positions of numerical hyperparameters in their ranges, 0.5 for those a recipe lacks."""
    found = []
    for name in names:
        if name not in params:
            found.append(0.5)
            continue
        low, high, value = table[name]["low"], table[name]["high"], params[name]
        if table[name].get("log"):
            low, high, value = math.log(low), math.log(high), math.log(value)
        found.append((value - low) / (high - low))
    return np.array(found)


def noise_of(params: Params, seed: int) -> np.random.Generator:
    """The random numbers of a training, which depend on recipe and seed alone."""
    text = json.dumps([sorted(params.items()), seed], default=str)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
