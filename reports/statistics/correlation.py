"""Spearman's rank correlation with its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.statistics.arrays import Floats

FEWEST = 8
"""Fewer pairs than this give no useful interval when resampled."""

_BLOCK = 200_000
"""Resampled values held in memory at a time."""


class Correlation(NamedTuple):
    """Spearman's rank correlation."""

    value: float
    """-1..1."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end."""
    pairs: int
    """Number of pairs."""


def rank_correlation(
    first: Sequence[float], second: Sequence[float], draws: int = 1000, seed: int = 0
) -> Correlation | None:
    """Spearman's correlation of pairs and its bootstrap interval; None for fewer than `FEWEST` pairs, and if
    one side is constant, which has no order.

    first, second: the pairs' values, in the same order. Equal values share their mean rank. The interval
    runs from the 2.5 % to the 97.5 % quantile of `draws` resamples, each ranked again; the same `seed`
    gives the same interval. C. Spearman, "The proof and measurement of association between two things", Am.
    J. Psychol. 15 (1904), pages 72-101; B. Efron and R. J. Tibshirani, "An introduction to the bootstrap"
    (1993), chapter 13.

    Raises ValueError for sides of different lengths, and unless 1 <= draws.
    """
    if len(first) != len(second) or draws < 1:
        raise ValueError(
            f"both sides must be of one length and 1 <= draws must hold, "
            f"but got {len(first)} and {len(second)} values and draws={draws}"
        )
    count = len(first)
    if count < FEWEST or min(first) == max(first) or min(second) == max(second):
        return None
    sides = _Ranking(first), _Ranking(second)
    value = _correlations(*sides, np.ones((1, count)))[0]
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // count)
    resampled = np.concatenate(
        [
            _correlations(*sides, random.multinomial(count, np.full(count, 1 / count), size=size))
            for size in [block] * (draws // block) + [draws % block]
            if size
        ]
    )
    finite = resampled[np.isfinite(resampled)]  # a resample may consist of a single pair
    low, high = np.quantile(finite, [0.025, 0.975]) if len(finite) else (-1.0, 1.0)
    return Correlation(float(value), float(low), float(high), count)


class _Ranking:
    """Sorted values, whose ranks in any resample follow without sorting again."""

    def __init__(self, values: Sequence[float]) -> None:
        _, self._kind = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
        self._order = np.argsort(self._kind, kind="stable")
        self._firsts = np.flatnonzero(np.diff(self._kind[self._order], prepend=-1))

    def ranks(self, weights: Floats) -> Floats:
        """The mean rank of each value, [draws, N], in resamples that hold it `weights` [draws, N] times."""
        sizes = np.add.reduceat(weights[:, self._order], self._firsts, axis=1)
        ranks: Floats = (np.cumsum(sizes, axis=1) - sizes / 2)[:, self._kind]
        return ranks


def _correlations(first: _Ranking, second: _Ranking, counts: NDArray[np.generic]) -> Floats:
    """The correlation in every resample, [draws]; NaN if one side is constant in it."""
    weights = counts.astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    # The mean rank is the same in all resamples of one size, ties or not: half of it.
    x, y = first.ranks(weights) - total / 2, second.ranks(weights) - total / 2
    xy, xx, yy = (
        np.einsum("ij,ij,ij->i", weights, a, b, optimize=False) for a, b in ((x, y), (x, x), (y, y))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations: Floats = np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0)
    return correlations
