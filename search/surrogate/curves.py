"""Forecasts how unfinished trials will end, from their curves and from those of the other trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from search.surrogate.gaussian_process import matern_52, squared_distances

_STEP = 1.6
"""Ratio of an epoch at which trials are compared to the one before, from the third on."""
_SHRINK = 0.6
"""Expected ratio of the change between two such epochs to the one before, where no trial has shown it."""
_LINEAR = 4.0
"""Typical distances from the best, up to which the scale of forecasts is linear."""
_FIRST_VARIANCE = 0.3**2
"""Prior variance of the first change, on the scale of forecasts."""
_PRIOR_COUNT = 6.0
"""Observations that the prior of a variance is worth."""


def rungs(epochs: int) -> tuple[int, ...]:
    """The epochs at which trials of at most `epochs` epochs are compared: in geometric progression, the last
    one included."""
    found, at = [], 1.0
    while round(at) < epochs:
        if round(at) not in found:
            found.append(round(at))
        at = max(at * _STEP, at + 1)
    return (*found, epochs)


@dataclass(frozen=True)
class Curve:
    """What a trial has shown so far."""

    values: Sequence[float]
    """The metric after each epoch, larger is better; one value at least."""
    epochs: int
    """Of the complete training."""
    point: np.ndarray
    """The recipe, of shape [d]."""

    @property
    def finished(self) -> bool:
        """Whether the training is complete."""
        return len(self.values) >= self.epochs


@dataclass(frozen=True)
class Forecast:
    """The joint normal distribution of the ends of several trials, on a scale of their own.

    On this scale the best value seen is about 0, and a typical one -1; what is far worse is compressed.
    """

    mean: np.ndarray
    """Of shape [n]; for a finished trial, what it came to."""
    covariance: np.ndarray
    """Of shape [n, n]; 0 for a finished trial."""

    @property
    def sd(self) -> np.ndarray:
        """Of shape [n]; 0 for a finished trial."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))


def _compressed(below: np.ndarray) -> np.ndarray:
    """Distances below the best, as they are up to `_LINEAR`, logarithmic beyond."""
    near = np.clip(below, -_LINEAR, _LINEAR)
    return np.asarray(-near - _LINEAR * np.log(np.maximum(below / _LINEAR, 1.0)))


class Scale:
    """The monotone scale on which ends are forecast."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        # Early values say nothing about the spread of the ends.
        late = [curve for curve in curves if 3 * len(curve.values) >= curve.epochs]
        latest = np.array([curve.values[-1] for curve in (late if len(late) >= 3 else curves)])
        self._best = float(latest.max())
        spread = self._best - float(np.median(latest))
        self._unit = spread if spread > 0 and math.isfinite(spread) else 1.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values on the scale, larger is better; about 0 for the best."""
        return _compressed((self._best - values) / self._unit)


def _smoothed(values: Sequence[float], epochs: np.ndarray) -> np.ndarray:
    """The curve without most of its noise at these epochs: the end of the line through the last quarter of
    the epochs until then, which lags behind no trend."""
    return np.array(
        [_line_weights(epoch) @ values[epoch - len(_line_weights(epoch)) : epoch] for epoch in epochs]
    )


@cache
def _line_weights(epoch: int) -> np.ndarray:
    """What the end of a least-squares line weighs the last values before it by."""
    count = max(1, epoch // 4)
    if count < 3:
        return np.ones(1)
    positions = np.arange(count) - (count - 1) / 2
    return np.asarray(1 / count + positions[-1] * positions / np.sum(positions**2))


def forecast(curves: Sequence[Curve], choices: np.ndarray, scale: Scale) -> Forecast:
    """The ends of trials. choices: which coordinates of their points are choices.

    The change from one rung to the next is regressed on the value at the rung, on the change before it, and
    on the recipe (a Gaussian process), from all trials that reached the next rung. A forecast follows these
    changes from the last rung that a trial reached. Where no trial has reached the next rung, the change
    before it is continued, shrunk, with a wide spread, which is mostly common to all trials. Nothing assumes
    that curves rise.
    """
    levels = np.array(rungs(max(curve.epochs for curve in curves)))
    lengths = np.array([len(curve.values) for curve in curves])
    ends = np.array([curve.epochs for curve in curves])
    finished = lengths >= ends
    reached = np.searchsorted(levels, lengths, side="right") - 1
    # The last value of a trial that is complete between two rungs stands for the next one.
    last = np.where(finished, np.searchsorted(levels, ends), reached)
    table = np.full((len(curves), len(levels)), np.nan)
    for row, curve in enumerate(curves):
        table[row, : reached[row] + 1] = _smoothed(curve.values, levels[: reached[row] + 1])
        table[row, last[row]] = _smoothed(curve.values, lengths[row : row + 1])[0]
    table = scale(table)
    similarity = _similarity(np.array([curve.point for curve in curves]), choices)
    state = _State(table, last)
    change: _Change | None = None
    for level in range(len(levels) - 1):
        change = _Change.fit(table, level, similarity, change)
        ahead = np.flatnonzero((last <= level) & (levels[level] < ends))
        if len(ahead):
            change.advance(state, ahead)
    return Forecast(state.mean, state.covariance[: len(curves), : len(curves)])


class _State:
    """The joint distribution of the trials' values at a rung, and of those at the rung before."""

    def __init__(self, table: np.ndarray, last: np.ndarray) -> None:
        """table: values at the rungs, of shape [n, rungs]. last: the rung that each trial reached."""
        rows = np.arange(len(table))
        self.mean = table[rows, last]
        """Of the values, of shape [n]."""
        before = table[rows, np.maximum(last - 1, 0)]
        # A trial that is complete between two rungs has no value at the rung before the last.
        self.before = np.where(np.isnan(before), self.mean, before)
        """Of those at the rung before, of shape [n]."""
        self.covariance = np.zeros((2 * len(table), 2 * len(table)))
        """Of all values, and then of all those before, of shape [2n, 2n]."""


def _similarity(points: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """The kernel of recipes, of shape [n, n]."""
    dimensions = max(points.shape[1], 1)
    return matern_52(squared_distances(points, points, choices).sum(axis=0) / (0.1 * dimensions))


@dataclass
class _Change:
    """The distribution of the change from one rung to the next: linear in the value and in the change before,
    plus a Gaussian process of the recipe, plus noise."""

    coefficients: np.ndarray
    """Of an intercept, of the value and of the change before it, both relative to `centre`."""
    spread: np.ndarray
    """Their covariance, of shape [3, 3]."""
    variance: float
    """Of what is not linear: of the process and the noise together."""
    share: float
    """The process's share of that variance."""
    rows: np.ndarray
    """The trials from which this is learned."""
    weights: np.ndarray
    """Of the process, of shape [len(rows)]."""
    inverse: np.ndarray
    """Inverse covariance of what is not linear, of shape [len(rows), len(rows)]."""
    similarity: np.ndarray
    """The kernel of all trials' recipes."""
    centre: np.ndarray
    """Typical value and change before."""
    typical: float
    """The median change."""

    @classmethod
    def fit(cls, table: np.ndarray, level: int, similarity: np.ndarray, earlier: _Change | None) -> _Change:
        """The change from `level` to the next. earlier: that to `level`, from which the prior follows."""
        here, previous = table[:, level], table[:, max(level - 1, 0)]
        rows = np.flatnonzero(~np.isnan(table[:, level + 1] - here))
        slopes = np.where(np.isnan(previous), 0.0, here - previous)
        known = ~np.isnan(here)
        centre = np.array([np.median(here[known]), np.median(slopes[known])]) if known.any() else np.zeros(2)
        if earlier is None:
            expected, variance, share = np.zeros(3), _FIRST_VARIANCE, 0.3
            prior = np.array([0.5, 0.25, 0.25])
        else:
            expected = np.array([_SHRINK * earlier.typical, *(_SHRINK * earlier.coefficients[1:])])
            variance, share = earlier.variance, earlier.share
            prior = np.array([0.1 + abs(expected[0]), 0.25, 0.25])
        features = np.column_stack([np.ones(len(rows)), here[rows] - centre[0], slopes[rows] - centre[1]])
        change = table[rows, level + 1] - here[rows]
        errors = change - features @ expected
        if len(rows) >= 2:
            share, variance = _best_share(features, errors, similarity[np.ix_(rows, rows)], prior, variance)
        mix = share * similarity[np.ix_(rows, rows)] + (1 - share + 1e-6) * np.eye(len(rows))
        inverse = np.linalg.inv(mix) / variance
        spread = np.linalg.inv(np.diag(prior**-2.0) + features.T @ inverse @ features)
        coefficients = expected + spread @ (features.T @ (inverse @ errors))
        weights = inverse @ (change - features @ coefficients)
        typical = float(np.median(change)) if len(rows) >= 3 else float(coefficients[0])
        return cls(coefficients, spread, variance, share, rows, weights, inverse, similarity, centre, typical)

    def advance(self, state: _State, ahead: np.ndarray) -> None:
        """Move the trials `ahead` to the next rung."""
        among, part = np.ix_(ahead, ahead), self.share * self.variance
        cross = part * self.similarity[np.ix_(ahead, self.rows)]
        mean, before = state.mean[ahead], state.before[ahead]
        features = np.column_stack(
            [np.ones(len(ahead)), mean - self.centre[0], mean - before - self.centre[1]]
        )
        process = part * self.similarity[among] - cross @ self.inverse @ cross.T
        noise = features @ self.spread @ features.T + process + (self.variance - part) * np.eye(len(ahead))
        # The next value is `here` times the value less `there` times the one before, plus what is learned
        # from other trials; the next value before is the value.
        there = self.coefficients[2]
        here = 1 + self.coefficients[1] + there
        earlier, covariance = len(state.mean) + ahead, state.covariance
        rows = here * covariance[ahead] - there * covariance[earlier]
        covariance[earlier], covariance[ahead] = covariance[ahead], rows
        columns = here * covariance[:, ahead] - there * covariance[:, earlier]
        covariance[:, earlier], covariance[:, ahead] = covariance[:, ahead], columns
        state.covariance[among] += noise
        state.before[ahead] = mean
        state.mean[ahead] = mean + features @ self.coefficients + cross @ self.weights


def _best_share(
    features: np.ndarray, errors: np.ndarray, similarity: np.ndarray, prior: np.ndarray, variance: float
) -> tuple[float, float]:
    """The process's share of the variance, and the variance, that explain the errors best.

    The variance has an inverse gamma prior that is worth `_PRIOR_COUNT` observations of `variance`."""
    scaled = features * (prior / math.sqrt(variance))
    candidates = []
    for share in (0.3, 0.7):
        mix = share * similarity + (1 - share + 1e-6) * np.eye(len(errors)) + scaled @ scaled.T
        factor = cho_factor(mix, lower=True)
        total = _PRIOR_COUNT * variance + errors @ cho_solve(factor, errors)
        count = _PRIOR_COUNT + len(errors)
        evidence = -np.log(np.diag(factor[0])).sum() - 0.5 * count * math.log(total)
        candidates.append((evidence, share, total / count))
    _, share, variance = max(candidates)
    return share, float(variance)
