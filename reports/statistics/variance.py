"""The random parts of a mean accuracy: the examples it was measured on and the seeds it was trained with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from reports.statistics.arrays import Bools, Floats


class RecipeScores(NamedTuple):
    """Which examples a recipe's models get right, summarized over its seeds."""

    shares: Floats
    """float [N]: the share of seeds that get each example right, 0..1."""
    seeds: int
    """Number of seeds, at least 1."""
    seed_variance: float | None
    """Variance over seeds of one model's accuracy, beyond what resampled examples already show; None for
    one seed."""

    @property
    def mean(self) -> float:
        """Mean accuracy, 0..1."""
        return float(self.shares.mean())


def recipe_scores(correct: Bools) -> RecipeScores:
    """Summarize bool [seeds, N]. Raises ValueError for another or an empty shape."""
    correct = np.asarray(correct, dtype=np.bool_)
    if correct.ndim != 2 or not correct.size:
        raise ValueError(f"bits must be bool [seeds, N] with 1 <= seeds and 1 <= N, but got {correct.shape}")
    seeds, count = correct.shape
    shares = correct.mean(axis=0)
    if seeds == 1:
        return RecipeScores(shares, 1, None)
    between = float(correct.mean(axis=1).var(ddof=1))
    # On some examples each seed tosses a coin; the mean of N coins varies by this much.
    within = seeds / (seeds - 1) * float((shares * (1 - shares)).sum())
    coins = max(0.0, (within - count * between) / max(1, count - 1)) / count
    # Two or three seeds are often close by luck; subtracting the coins would then hide the seeds' variance.
    return RecipeScores(shares, seeds, max(between - coins, between / seeds))


class StudentTerm(NamedTuple):
    """An independent random term of an estimate: scaled Student's t."""

    scale: float
    """Factor of the t variable, in the estimate's unit."""
    df: float
    """Degrees of freedom, 1 or more."""


class TermSum:
    """The distribution of the sum of a term from the examples and terms from the seeds.

    Student's t is a normal variable whose variance is random: df / chi-squared. Given the seeds' variances,
    the rest is the examples' t plus a normal variable of known variance, which is nearly a t with
    Satterthwaite's degrees of freedom. The variances are integrated over a grid in the logarithm of
    chi-squared, on which the integrand is smooth: the relative error of a p of 1e-6 or more is below 1 %.
    """

    def __init__(self, examples: StudentTerm, seeds: Sequence[StudentTerm]) -> None:
        self._terms = (examples, *seeds)
        # With few differing examples the approximation is too coarse, so their variance is integrated too.
        few = examples.df < 30
        variances, weights = np.zeros(1), np.ones(1)
        for scale, df in self._terms if few else seeds:
            half = df / 2
            least = math.log(special.gammaincinv(half, 1e-8) / half)
            most = math.log(special.gammainccinv(half, 1e-14) / half)
            logs = np.linspace(least, most, 40)
            density = np.exp(half * (logs - np.exp(logs)))
            variances = np.add.outer(variances, scale**2 * np.exp(-logs)).ravel()
            weights = np.multiply.outer(weights, density / density.sum()).ravel()
        counts = weights > 1e-11
        self._weights = weights[counts] / weights[counts].sum()
        known = 0.0 if few else examples.scale**2
        self._scales = np.sqrt(known + variances[counts])
        ratio = self._scales / examples.scale
        self._dfs = np.full_like(ratio, 1e9) if few else examples.df * ratio**4

    def p_beyond(self, distance: float) -> float:
        """The two-sided probability of a deviation of at least `distance` (0 or more)."""
        tails = special.stdtr(self._dfs, -distance / self._scales)
        return min(1.0, float(2 * (tails @ self._weights)))

    def quantile(self, level: float) -> float:
        """The distance that is exceeded in either direction with probability `level`."""
        from scipy import optimize  # takes 0.4 s, and a run without a test split needs it nowhere

        # The sum can only exceed the sum of such quantiles if one of its terms exceeds its own.
        tail = level / (2 * len(self._terms))
        most = sum(scale * float(special.stdtrit(df, 1 - tail)) for scale, df in self._terms)

        def excess(distance: float) -> float:
            return self.p_beyond(distance) - level

        return float(optimize.brentq(excess, 0.0, 1.001 * most, xtol=1e-12, rtol=1e-10))


def check_level(level: float) -> None:
    """Raises ValueError unless 0 < level < 1."""
    if not 0 < level < 1:
        raise ValueError(f"0 < level < 1 must hold, but got level={level}")
