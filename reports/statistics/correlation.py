"""How far one order foretells another: Spearman's rank correlation, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST = 8
"""Pairs below which resampling them tells nothing of how far the correlation may be off."""

_BLOCK = 200_000
"""Figures of resamples that are held at a time."""


class Correlation(NamedTuple):
    """Spearman's rank correlation, -1..1, of so many pairs. low, high: its 95 % interval."""

    value: float
    low: float
    high: float
    pairs: int


def rank_correlation(
    one: Sequence[float], other: Sequence[float], draws: int = 1000, seed: int = 0
) -> Correlation | None:
    """Spearman's correlation of pairs, and the interval that the pairs resampled give it; None for fewer
    than `FEWEST`, and where one side is constant, for a constant has no order.

    one, other: the pairs' figures, in the same order. Equal ones share their mean rank. The interval
    runs from the 2.5 % to the 97.5 % quantile of `draws` resamples, each ranked anew; the same `seed`
    gives the same. C. Spearman, "The proof and measurement of association between two things", Am. J.
    Psychol. 15 (1904), pages 72-101; B. Efron and R. J. Tibshirani, "An introduction to the bootstrap"
    (1993), chapter 13.

    Raises ValueError for sides of different lengths, and unless 1 <= draws.
    """
    if len(one) != len(other) or draws < 1:
        raise ValueError(
            f"both sides must be of one length and 1 <= draws must hold, "
            f"but got {len(one)} and {len(other)} figures and draws={draws}"
        )
    count = len(one)
    if count < FEWEST or min(one) == max(one) or min(other) == max(other):
        return None
    sides = _Order(one), _Order(other)
    whole = _correlations(*sides, np.ones((1, count)))
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // count)
    drawn = np.concatenate(
        [
            _correlations(*sides, random.multinomial(count, np.full(count, 1 / count), size=size))
            for size in [block] * (draws // block) + [draws % block]
            if size
        ]
    )
    known = drawn[np.isfinite(drawn)]  # a resample may hold one pair alone
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (-1.0, 1.0)
    return Correlation(float(whole[0]), float(low), float(high), count)


class _Order:
    """Figures in order: what their ranks are in any resample, without sorting it."""

    def __init__(self, values: Sequence[float]) -> None:
        _, self._kind = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
        self._order = np.argsort(self._kind, kind="stable")
        self._firsts = np.flatnonzero(np.diff(self._kind[self._order], prepend=-1))

    def ranks(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean rank of each figure, [draws, N], in resamples that hold it `weights` [draws, N] times."""
        sizes = np.add.reduceat(weights[:, self._order], self._firsts, axis=1)
        ranks: NDArray[np.float64] = (np.cumsum(sizes, axis=1) - sizes / 2)[:, self._kind]
        return ranks


def _correlations(one: _Order, other: _Order, weights: NDArray[np.generic]) -> NDArray[np.float64]:
    """The correlation in every resample, [draws]; NaN where one side is constant in it."""
    held = weights.astype(np.float64)
    total = held.sum(axis=1, keepdims=True)
    # The mean rank is the same in all resamples of one size, ties or not: half of it.
    x, y = one.ranks(held) - total / 2, other.ranks(held) - total / 2
    across, over, up = (
        np.einsum("ij,ij,ij->i", held, a, b, optimize=False) for a, b in ((x, y), (x, x), (y, y))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = np.clip(across / np.sqrt(over * up), -1.0, 1.0)
    return found
