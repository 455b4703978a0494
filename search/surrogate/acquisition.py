"""Which recipe to try next: the one whose expected improvement is largest."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import log_ndtr
from scipy.stats import qmc

from search.surrogate.encoding import Encoding

_CANDIDATES = 1024
"""Recipes drawn from the whole space."""
_ROUNDS = 6
"""Rounds of small changes to the best candidates."""
_SURVIVORS = 12
"""Candidates that are changed in each round."""
_CHILDREN = 24
"""Changed copies of each of them."""

_MAX_CHECKS = 300
"""Candidates of a round of which it is asked at most whether they are allowed."""

Allowed = Callable[[np.ndarray], bool]
"""Whether a point of shape [d] may be suggested."""
LogDensity = Callable[[np.ndarray], np.ndarray]
"""A logarithm of what is to be maximized, of shape [n], for points of shape [n, d]."""


def log_expected_improvement(mean: np.ndarray, sd: np.ndarray, best: float) -> np.ndarray:
    """The logarithm of the expected improvement over `best`, of normal distributions; larger is better.

    Source: Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization (2023)."""
    gain = (mean - best) / sd
    log_density = -0.5 * gain**2 - 0.5 * math.log(2 * math.pi)
    # density + gain * distribution: directly where that is stable, else by the ratio of both.
    ratio = np.exp(np.minimum(log_ndtr(gain) - log_density, 300.0))
    inside = 1.0 + gain * ratio
    tail = -2.0 * np.log(np.maximum(np.abs(gain), 1.0))  # its limit for large negative gains
    factor = np.where(inside > 1e-10, np.log(np.maximum(inside, 1e-300)), tail)
    return np.asarray(np.log(sd) + log_density + factor)


def random_points(encoding: Encoding, count: int, seed: int) -> np.ndarray:
    """Evenly spread points of the space, of shape [count, d]."""
    sequence = qmc.Sobol(encoding.dimensions, rng=seed)
    return encoding.points(sequence.random_base2(max(0, math.ceil(math.log2(count))))[:count])


def maximized(
    log_density: LogDensity,
    encoding: Encoding,
    starts: np.ndarray,
    allowed: Allowed,
    seed: int,
    effort: float = 1.0,
) -> np.ndarray | None:
    """The allowed point where `log_density` is largest, of shape [d]; None if none of those considered is
    allowed.

    starts: points worth small changes, of shape [k, d]. effort: share of the usual number of candidates and
    rounds, in (0, 1]."""
    rng = np.random.default_rng(seed)
    random = random_points(encoding, round(effort * _CANDIDATES), seed)
    best, density = _best(
        np.concatenate([random, _changed(starts, encoding, round(effort * 32), 0.1, rng)]),
        log_density,
        allowed,
    )
    for round_number in range(math.ceil(effort * _ROUNDS)):
        if not len(best):
            return None
        children = _changed(best, encoding, _CHILDREN, 0.1 * 0.5**round_number, rng)
        new, new_density = _best(children, log_density, allowed)
        best, density = np.concatenate([best, new]), np.concatenate([density, new_density])
        order = np.argsort(-density, kind="stable")[:_SURVIVORS]
        best, density = best[order], density[order]
    return np.asarray(best[0])


def _best(points: np.ndarray, log_density: LogDensity, allowed: Allowed) -> tuple[np.ndarray, np.ndarray]:
    """The allowed points of the largest density, at most `_SURVIVORS`, and their densities. Only the best are
    asked about, since it may take long to find out whether a point is allowed."""
    points = np.unique(points, axis=0)  # few values make many equal ones
    density = log_density(points)
    chosen: list[int] = []
    for row in np.argsort(-density, kind="stable")[:_MAX_CHECKS]:
        if allowed(points[row]):
            chosen.append(row)
            if len(chosen) == _SURVIVORS:
                break
    return points[chosen], density[chosen]


def _changed(
    points: np.ndarray, encoding: Encoding, copies: int, width: float, rng: np.random.Generator
) -> np.ndarray:
    """Copies of points in which about two coordinates are changed: numbers by a normal step, choices to any
    other."""
    if not len(points) or not encoding.dimensions:
        return points
    units = encoding.units(np.repeat(points, copies, axis=0))
    touched = np.asarray(rng.random(units.shape) < min(1.0, 2.0 / encoding.dimensions))
    touched[np.arange(len(units)), rng.integers(encoding.dimensions, size=len(units))] = True
    # A step must be able to reach the next value of a range with few.
    steps = np.maximum(width, 0.7 / encoding.counts)
    moved = np.clip(units + rng.normal(size=units.shape) * steps, 0.0, 1.0 - 1e-12)
    moved[:, encoding.choices] = rng.random((len(units), int(encoding.choices.sum())))
    return encoding.points(np.where(touched, moved, units))
