"""The probability that a recipe can be trained, learned from those that failed."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr

from search.surrogate.gaussian_process import GaussianProcess

_LABEL_VARIANCE = 0.02
"""Variance of the labels +1 (trained) and -1 (failed)."""
_DOUBTFUL = math.log(0.25)
"""Highest log probability of a recipe whose nearest neighbour failed, or beyond a bound."""
_FEWEST = 3
"""Failed trials from which a bound follows."""
_GAP = 0.005
"""Share of a range between trained and failed recipes that is not worth failures to explore."""
_BORDER = 0.3
"""Label at which a recipe is as likely to fail as to be trained. Above 0, since failures are to be rare."""


class Feasibility:
    """A classifier of recipes: a Gaussian process regression on the labels, and bounds of single
    hyperparameters, such as a width above which there is no memory, which a process cannot see sharply."""

    def __init__(self, points: np.ndarray, trained: np.ndarray, choices: np.ndarray) -> None:
        """points: of shape [n, d]. trained: whether each was trained, of shape [n]. choices: which
        coordinates are choices, of shape [d]."""
        self._process: GaussianProcess | None = None
        self._trained = trained
        if not trained.all():
            labels = np.where(trained, 1.0, -1.0)
            errors = _LABEL_VARIANCE * np.eye(len(points))
            # With noise, a few failures among many would count as accidents.
            self._low, self._high = _bounds(points, trained, choices)
            self._process = GaussianProcess.fit(points, labels, errors, choices, max_noise=1e-3)

    def log_probability(self, points: np.ndarray) -> np.ndarray:
        """Of shape [m] for points of shape [m, d]; 0 if nothing has failed."""
        if self._process is None:
            return np.zeros(len(points))
        mean, variance = self._process.predict(points)
        probability = log_ndtr((mean - _BORDER) / np.sqrt(_LABEL_VARIANCE + variance))
        # A sharp border is smooth to the process, but not to the nearest neighbour.
        beside_failed = ~self._trained[self._process.nearest(points)]
        outside = ((points < self._low) | (points > self._high)).any(axis=1)
        doubtful = beside_failed | outside
        return np.asarray(np.where(doubtful, np.minimum(probability, _DOUBTFUL), probability))


def _bounds(points: np.ndarray, trained: np.ndarray, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The range of each coordinate, of shape [d], in which a trial may be trained: unlimited, unless all
    failed ones lie beyond all trained ones. Then it reaches half-way to the failed ones, until the gap is
    small."""
    low, high = np.full(points.shape[1], -np.inf), np.full(points.shape[1], np.inf)
    if (~trained).sum() < _FEWEST or not trained.any():
        return low, high
    good, bad = points[trained], points[~trained]
    above, below = bad.min(axis=0) - good.max(axis=0), good.min(axis=0) - bad.max(axis=0)
    reach_above, reach_below = (np.where(gap > _GAP, gap / 2, 0.0) for gap in (above, below))
    high = np.where((above > 0) & ~choices, good.max(axis=0) + reach_above, high)
    low = np.where((below > 0) & ~choices, good.min(axis=0) - reach_below, low)
    return low, high
