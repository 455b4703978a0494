"""Tests of two recipes, models or shares against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from reports.statistics.arrays import Bools, Floats
from reports.statistics.variance import RecipeScores, StudentTerm, TermSum, check_level, recipe_scores
from search.racing.elimination import two_sided_p, welch


class McNemar(NamedTuple):
    """Two models on the same examples."""

    only_first: int
    """Examples that only the first model gets right."""
    only_second: int
    """Examples that only the second model gets right."""
    p: float
    """Two-sided p-value, 0..1, of the hypothesis that both are right equally often."""


class Comparison(NamedTuple):
    """The difference between two recipes. p <= level if and only if 0 lies outside the interval."""

    difference: float
    """The first mean minus the second, in the metric's unit (shares: -1..1)."""
    low: float
    """Lower end of the difference's interval with confidence 1 - level; -inf if unknown."""
    high: float
    """Upper end; inf if unknown."""
    p: float
    """Two-sided p-value, 0..1, of no difference."""
    level: float
    """Significance level, 0..1."""


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """McNemar's exact test of two models on the same N examples, bool [N] each (true: right).

    Examples that both get right, or both wrong, carry no information; each model should be right on half of
    the others, so the p-value is binomial. It is 1 if there are none. Q. McNemar, "Note on the sampling
    error of the difference between correlated proportions or percentages", Psychometrika 12 (1947), pages
    153-157; recommended for models trained once by T. G. Dietterich, "Approximate statistical tests for
    comparing supervised classification learning algorithms", Neural Comput. 10 (1998), pages 1895-1923. It
    is about these two models, not about what other seeds would give.

    Raises ValueError unless both have the same one-dimensional shape.
    """
    first, second = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"both must be bool [N], but got shapes {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    fewer, differing = min(only_first, only_second), only_first + only_second
    return McNemar(only_first, only_second, min(1.0, float(2 * special.bdtr(fewer, differing, 0.5))))


def compare(first: Bools, second: Bools, level: float = 0.05) -> Comparison:
    """Compare two recipes' accuracies over seeds and examples, from bool [seeds, N] of each.

    The N examples are the same for both; the seeds are each recipe's own and may differ in number.
    level: 0..1, the probability of a p at or below it when the recipes are equal.

    Both seeds and examples are random: other seeds and other test images would give other accuracies. The
    difference has a component from the examples, on each of which the recipes' shares differ, and one from
    each recipe's seeds, whose models are better or worse overall: the crossed random effects of
    A. B. Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1 (2007), pages 386-411. That one seed's model
    errs on an example as if by tossing a coin belongs to both components; resampling both would count it
    three times, here it is counted once, with the examples. A variance estimated from three seeds is
    inaccurate, so each component is Student's t with its own degrees of freedom, and p is the tail
    probability of their sum: the problem of W. U. Behrens and R. A. Fisher ("The fiducial argument in
    statistical inference", Ann. Eugen. 6 (1935), pages 391-398) with a third component. Satterthwaite's
    approximation would be overconfident where one recipe's few seeds are close by luck.

    Two examples are added, one for each recipe, as Bonett and Price do ("Adjusted Wald confidence interval
    for a difference of binomial proportions based on paired data", J. Educ. Behav. Stat. 37 (2012), pages
    479-488), so that a handful of differing examples is not overconfident either.

    One seed each: the seeds' variance is unknown, so this is `mcnemar` of the two models with the interval
    that agrees with it. One seed on one side: it is assumed to vary as the other side's seeds do.

    Raises ValueError for shapes that do not fit, and unless 0 < level < 1.
    """
    check_level(level)
    a, b = recipe_scores(first), recipe_scores(second)
    if len(a.shares) != len(b.shares):
        raise ValueError(f"both need the same examples, but got {len(a.shares)} and {len(b.shares)}")
    if a.seed_variance is None and b.seed_variance is None:
        return _compare_models(np.asarray(first)[0], np.asarray(second)[0], level)
    terms = TermSum(_example_term(a.shares - b.shares, (1 / a.seeds + 1 / b.seeds) / 2), _seed_terms(a, b))
    difference, reach = a.mean - b.mean, terms.quantile(level)
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    return Comparison(difference, low, high, terms.p_beyond(abs(difference)), level)


def _seed_terms(a: RecipeScores, b: RecipeScores) -> list[StudentTerm]:
    if a.seed_variance is None or b.seed_variance is None:
        lender = a if b.seed_variance is None else b
        variance = (lender.seed_variance or 0.0) * (1 / a.seeds + 1 / b.seeds)
        return [StudentTerm(math.sqrt(variance), lender.seeds - 1)]
    known = ((a.seed_variance, a.seeds), (b.seed_variance, b.seeds))
    return [StudentTerm(math.sqrt(variance / seeds), seeds - 1) for variance, seeds in known]


def _example_term(differences: Floats, quantum: float) -> StudentTerm:
    """The examples' term in the mean of `differences` [N].

    quantum: the square of what an example that differs by chance contributes; two of these are added. The
    degrees of freedom follow from the fourth moment: few differing examples estimate a variance badly,
    however many others there are.
    """
    count = len(differences) + 2
    squares = np.square(differences - differences.mean())
    second = (float(squares.sum()) + 2 * quantum) / count
    fourth = (float(np.square(squares).sum()) + 2 * quantum**2) / count
    df = 2 * count * second**2 / max(fourth - second**2, 1e-300)
    return StudentTerm(math.sqrt(second / count), float(np.clip(df, 1.0, count - 1)))


def _compare_models(first: Bools, second: Bools, level: float) -> Comparison:
    """McNemar's p, and the interval that Fay and Lumbard meld from it: the share of examples on which
    the models differ, times which of them is right there, each from its exact (beta) limits. M. P. Fay
    and K. Lumbard, "Confidence intervals for difference in proportions for matched pairs compatible
    with exact McNemar's or sign tests", Stat. Med. 40 (2021), pages 1147-1159."""
    test = mcnemar(first, second)
    wins, losses, count = test.only_first, test.only_second, len(first)
    high = _melded(wins, losses, count, level / 2)
    low = -_melded(losses, wins, count, level / 2)
    return Comparison((wins - losses) / count, low, high, test.p, level)


def _melded(wins: int, losses: int, count: int, tail: float) -> float:
    """The upper end of (wins - losses) / count that the melded distribution exceeds with probability
    `tail`."""
    differing = wins + losses
    quantiles = (np.arange(256) + 0.5) / 256
    # The first model's share of the differing examples, at its upper limits: below a half, then above.
    # Split there because whether 0 is inside depends on the half alone, and must agree with the p.
    below = float(special.betainc(wins + 1, losses, 0.5)) if losses else 0.0
    fewer = 2 * special.betaincinv(wins + 1, losses, below * quantiles) - 1 if losses else np.zeros(1)
    more = 2 * special.betainccinv(wins + 1, losses, (1 - below) * quantiles) - 1 if losses else np.ones(1)

    def excess(end: float) -> float:
        # A lead reaches furthest with many differing examples, a deficit reaches least far with few.
        if end >= 0:
            share = np.minimum(end / np.maximum(more, 1e-300), 1.0)
            many = (
                special.betaincc(differing + 1, count - differing, share) if differing < count else share < 1
            )
            return (1 - below) * float(np.mean(many)) - tail
        share = np.minimum(end / np.minimum(fewer, -1e-300), 1.0)
        few = special.betainc(differing, count - differing + 1, share) if differing else share > 0
        return (1 - below) + below * float(np.mean(few)) - tail

    return float(optimize.brentq(excess, -1.0, 1.0, xtol=1e-10)) if excess(1.0) < 0 < excess(-1.0) else 1.0


def compare_scores(
    first: Sequence[float], second: Sequence[float], level: float = 0.05, resolution: float = 0.0
) -> Comparison:
    """Compare two recipes by one score per seed, for metrics that no single example is right or wrong by.

    It is `search.racing.elimination.welch`, which handles equal scores; resolution: the scores' step, 0 if
    they have none. It is about other seeds on the same examples, not about other examples. If the variance
    is unknown (one score each), p is 1 and the interval is -inf to inf.

    Raises ValueError if a side has no score, and unless 0 < level < 1.
    """
    check_level(level)
    test = welch(first, second, resolution)
    if math.isinf(test.error):
        return Comparison(test.difference, -math.inf, math.inf, 1.0, level)
    reach = test.error * float(special.stdtrit(test.freedom, 1 - level / 2))
    p = two_sided_p(test.difference / test.error, test.freedom)
    return Comparison(test.difference, test.difference - reach, test.difference + reach, p, level)


def two_proportions(share_a: float, count_a: int, share_b: float, count_b: int) -> float:
    """The two-sided p-value, 0..1, of the hypothesis that two shares (0..1) of count_a and count_b examples
    are equal.

    For published figures, of which single answers are unknown: it assumes independent samples. On the same
    examples models tend to fail together, so this p is too large rather than too small. It is the score test
    with the pooled share, which is Pearson's chi-squared without correction; 1 if both shares are 0, or
    both 1.

    Raises ValueError for a share outside 0..1 or a count below 1.
    """
    if not (0 <= share_a <= 1 and 0 <= share_b <= 1 and count_a >= 1 and count_b >= 1):
        raise ValueError(
            f"0 <= share <= 1 and 1 <= count must hold, "
            f"but got shares {share_a}, {share_b} and counts {count_a}, {count_b}"
        )
    pooled = (share_a * count_a + share_b * count_b) / (count_a + count_b)
    variance = pooled * (1 - pooled) * (1 / count_a + 1 / count_b)
    if variance == 0:
        return 1.0
    return float(2 * special.ndtr(-abs(share_a - share_b) / math.sqrt(variance)))
