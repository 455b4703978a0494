"""Means with their spread and confidence intervals, and how they compare with a published figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from reports.statistics.arrays import Bools
from reports.statistics.variance import StudentTerm, TermSum, check_level, recipe_scores

Standing = Literal["better", "tied", "worse"]
"""How one result compares with another: better or worse beyond chance, or tied."""


ROUNDING = 1e-12
"""Relative difference up to which two values count as equal."""


class Interval(NamedTuple):
    """A confidence interval of a share."""

    low: float
    """0..high."""
    high: float
    """low..1."""


class Spread(NamedTuple):
    """Mean and spread of repeated measurements, as over seeds."""

    mean: float
    """In the unit of the values."""
    deviation: float | None
    """Sample standard deviation (divided by runs - 1); None for fewer than two runs."""
    runs: int
    """Number of values, at least 1."""


def wilson(correct: int, count: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of the share correct / count.

    Unlike the textbook p ± 1.96 s it stays inside 0..1 and keeps its coverage near 100 %, where good
    classifiers are. E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927), pages 209-212.

    Raises ValueError unless 0 <= correct <= count, 1 <= count and 0 < confidence < 1.
    """
    if not (0 <= correct <= count and count >= 1 and 0 < confidence < 1):
        raise ValueError(
            f"0 <= correct <= count, 1 <= count and 0 < confidence < 1 must hold, "
            f"but got correct={correct}, count={count}, confidence={confidence}"
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / count
    shrink = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / shrink
    reach = z / shrink * float(np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2))
    # The ends are exactly 0 and 1 there; rounding must not push them past.
    low = 0.0 if correct == 0 else max(0.0, middle - reach)
    high = 1.0 if correct == count else min(1.0, middle + reach)
    return Interval(low, high)


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of `values`. Values that are equal except for rounding have the
    first one as mean and a deviation of 0. Raises ValueError if there are none."""
    if len(values) == 0:
        raise ValueError("a spread needs at least one value, but got none")
    if equal_values(values):
        return Spread(float(values[0]), 0.0 if len(values) > 1 else None, len(values))
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)), len(values))


def equal_values(values: Sequence[float]) -> bool:
    """Whether all values are equal, except for rounding in the last digits of a float."""
    low, high = min(values), max(values)
    return bool(high - low <= ROUNDING * max(abs(low), abs(high)))


def mean_interval(correct: Bools, confidence: float = 0.95) -> Interval:
    """The confidence interval of a recipe's mean accuracy over seeds and examples.

    correct: bool [seeds, N], which examples each seed's model got right.

    The variance components are those of `reports.statistics.comparison.compare`. The interval is Wilson's,
    with their quantile and with as many examples as an independent sample of the same variance would have,
    so it stays inside 0..1 and equals `wilson` for one seed (which says nothing about other seeds).
    E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data", Surv. Methodol. 24 (1998), pages 193-201.

    Raises ValueError for a shape that does not fit, and unless 0 < confidence < 1.
    """
    check_level(1 - confidence)
    recipe = recipe_scores(correct)
    count, mean = len(recipe.shares), recipe.mean
    if recipe.seed_variance is None or mean in (0.0, 1.0):
        return wilson(round(mean * count), count, confidence)
    # At least the variance of a table whose bits are all independent.
    least = mean * (1 - mean) / (recipe.seeds * count)
    examples = max(float(recipe.shares.var()) / count, least)
    terms = TermSum(
        StudentTerm(math.sqrt(examples), max(1.0, count - 1)),
        [StudentTerm(math.sqrt(recipe.seed_variance / recipe.seeds), recipe.seeds - 1)],
    )
    variance = examples + recipe.seed_variance / recipe.seeds
    quantile = terms.quantile(1 - confidence) / math.sqrt(variance)
    return _score_interval(mean, mean * (1 - mean) / variance, quantile)


def _score_interval(share: float, count: float, quantile: float) -> Interval:
    shrink = 1 + quantile**2 / count
    middle = (share + quantile**2 / (2 * count)) / shrink
    reach = quantile / shrink * math.sqrt(share * (1 - share) / count + (quantile / (2 * count)) ** 2)
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))


def standing(interval: Interval, published_percent: float) -> Standing:
    """How a result with this interval (shares) compares with a published accuracy (percent, 0..100).

    "better": the published accuracy lies below the interval; "worse": above it; "tied": inside, ends
    included. The published accuracy is treated as exact because its own uncertainty is mostly unknown (often
    one run on the same 10,000 images), so "better" and "worse" are slightly overconfident and "tied" is
    never too generous.
    """
    published = published_percent / 100
    if published < interval.low:
        return "better"
    return "worse" if published > interval.high else "tied"
