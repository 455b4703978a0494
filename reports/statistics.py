"""How far a measured figure may be trusted. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

Standing = Literal["above", "tied", "below"]


class Interval(NamedTuple):
    """A confidence interval of a share; 0 <= low <= high <= 1."""

    low: float
    high: float


class Spread(NamedTuple):
    """Repeated measurements, as over seeds: their mean, their sample standard deviation (divided
    by runs - 1; None for fewer than two) and how many there are."""

    mean: float
    deviation: float | None
    runs: int


def wilson(correct: int, count: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of the share correct / count.

    Unlike the textbook p ± 1.96 s it stays inside 0..1 and keeps its coverage near 100 %, where
    good classifiers live. E. B. Wilson, "Probable inference, the law of succession, and
    statistical inference", J. Am. Stat. Assoc. 22 (1927), pages 209-212.

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
    # The ends meet 0 and 1 exactly there; rounding must not push them past.
    low = 0.0 if correct == 0 else max(0.0, middle - reach)
    high = 1.0 if correct == count else min(1.0, middle + reach)
    return Interval(low, high)


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of `values`. Raises ValueError when there are none."""
    if len(values) == 0:
        raise ValueError("a spread needs at least one value, but got none")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation, len(values))


def against_published(correct: int, count: int, published_percent: float) -> Standing:
    """Where our model stands against a published accuracy (percent, 0..100).

    "above": the published figure lies below our 95 % Wilson interval; "below": it lies above it;
    "tied": it lies inside, its ends included. The published figure is taken as exact, because its
    own uncertainty is mostly unknown (often one run on the same 10,000 images): "above" and
    "below" are therefore a little too sure of themselves, and "tied" is never too generous.
    """
    low, high = wilson(correct, count)
    published = published_percent / 100
    if published < low:
        return "above"
    return "below" if published > high else "tied"
