"""How far a measured figure may be trusted. Numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from search.racing.elimination import two_sided, welch

Standing = Literal["better", "tied", "worse"]


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


class McNemar(NamedTuple):
    """Two models on the same examples. only_one, only_other: how many examples one of them alone gets
    right; p: two-sided, 0..1, of their being equally often right."""

    only_one: int
    only_other: int
    p: float


class Comparison(NamedTuple):
    """Two recipes' figures. difference: one's mean less the other's, in the figures' own unit (shares:
    -1..1); low, high: the ends of its interval with confidence 1 - level; p: two-sided, 0..1, of no
    difference. p <= level where 0 lies outside the interval, and nowhere else."""

    difference: float
    low: float
    high: float
    p: float
    level: float


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

    "better": the published accuracy lies below our 95 % Wilson interval; "worse": it lies above it;
    "tied": it lies inside, ends included. The published accuracy is treated as exact because its own
    uncertainty is mostly unknown (often one run on the same 10,000 images), so "better" and "worse" are
    slightly overconfident and "tied" is never too generous.
    """
    return standing(wilson(correct, count), published_percent)


def standing(interval: Interval, published_percent: float) -> Standing:
    """Where a figure with this interval (shares, as of `mean_interval`) stands against a published
    accuracy (percent, 0..100), by the rule of `against_published`."""
    published = published_percent / 100
    if published < interval.low:
        return "better"
    return "worse" if published > interval.high else "tied"


def mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> McNemar:
    """McNemar's test, exact, of two models' bits, bool [N] each, on the same N examples.

    Examples that both get right, or both wrong, tell nothing; of the others each model should have
    half, so the p is binomial. 1 where there are none. Q. McNemar, "Note on the sampling error of
    the difference between correlated proportions or percentages", Psychometrika 12 (1947), pages
    153-157; recommended for models trained once by T. G. Dietterich, "Approximate statistical tests
    for comparing supervised classification learning algorithms", Neural Comput. 10 (1998), pages
    1895-1923. It speaks of these two models, not of what other seeds would give.

    Raises ValueError when they have not the same one-dimensional shape.
    """
    one, other = np.asarray(one, dtype=np.bool_), np.asarray(other, dtype=np.bool_)
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(f"both must be bool [N], but got shapes {one.shape} and {other.shape}")
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    fewer, apart = min(only_one, only_other), only_one + only_other
    return McNemar(only_one, only_other, min(1.0, float(2 * special.bdtr(fewer, apart, 0.5))))


class _RecipeScores(NamedTuple):
    """What a recipe's bits [seeds, N] tell. shares: float [N], of the seeds that get each example
    right. own: the variance over seeds of one whole network's accuracy, beyond what resampled examples
    show already; None for one seed."""

    shares: NDArray[np.float64]
    seeds: int
    own: float | None

    @property
    def mean(self) -> float:
        return float(self.shares.mean())


class _Part(NamedTuple):
    """An independent part of a figure's chance: Student's t with `freedom` degrees of freedom, times
    `scale`."""

    scale: float
    freedom: float


def _recipe(correct: NDArray[np.bool_]) -> _RecipeScores:
    correct = np.asarray(correct, dtype=np.bool_)
    if correct.ndim != 2 or not correct.size:
        raise ValueError(f"bits must be bool [seeds, N] with 1 <= seeds and 1 <= N, but got {correct.shape}")
    seeds, count = correct.shape
    shares = correct.mean(axis=0)
    if seeds == 1:
        return _RecipeScores(shares, 1, None)
    between = float(correct.mean(axis=1).var(ddof=1))
    # On some examples each seed tosses a coin; the mean of N coins varies by this much.
    within = seeds / (seeds - 1) * float((shares * (1 - shares)).sum())
    coins = max(0.0, (within - count * between) / max(1, count - 1)) / count
    # Two or three seeds are often close by luck, and the coins would then hide how far seeds reach.
    return _RecipeScores(shares, seeds, max(between - coins, between / seeds))


def compare(one: NDArray[np.bool_], other: NDArray[np.bool_], level: float = 0.05) -> Comparison:
    """Compare two recipes' accuracies over seeds and examples, from bool [seeds, N] of each.

    The N examples are the same for both, the seeds are each recipe's own and may differ in number.
    level: 0..1, the chance of a p at or below it when the recipes are equal.

    Seeds and examples are both drawn: other seeds and other test images would give other figures. The
    difference has a part of the examples, on each of which the recipes' shares differ, and a part of
    either recipe's seeds, whose whole networks turn out better or worse: the crossed random effects of
    A. B. Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1 (2007), pages 386-411. That a seed's
    network errs on an example as if by a coin belongs to both; resampling both would count it three
    times, here it is counted once, with the examples. A variance from three seeds is a poor one, so
    each part is Student's t with its own degrees of freedom, and p is the chance of their sum: the
    problem of W. U. Behrens and R. A. Fisher ("The fiducial argument in statistical inference", Ann.
    Eugen. 6 (1935), pages 391-398) with a third part. Satterthwaite's approximation would be too sure
    of itself where one recipe's few seeds are close by luck.

    Two examples are added, one for either recipe, as Bonett and Price do ("Adjusted Wald confidence
    interval for a difference of binomial proportions based on paired data", J. Educ. Behav. Stat. 37
    (2012), pages 479-488), so that a handful of differing examples is not too sure either.

    One seed each: nothing is known of seeds, so this is `mcnemar` of the two models, with the interval
    that agrees with it. One seed on one side: it is taken to vary as the other side's seeds do.

    Raises ValueError for shapes that do not fit, and unless 0 < level < 1.
    """
    _check_level(level)
    a, b = _recipe(one), _recipe(other)
    if len(a.shares) != len(b.shares):
        raise ValueError(f"both need the same examples, but got {len(a.shares)} and {len(b.shares)}")
    if a.own is None and b.own is None:
        return _compare_models(np.asarray(one)[0], np.asarray(other)[0], level)
    if a.own is None or b.own is None:
        lender = a if b.own is None else b
        variance = (lender.own or 0.0) * (1 / a.seeds + 1 / b.seeds)
        seeds = [_Part(math.sqrt(variance), lender.seeds - 1)]
    else:
        seeds = [_Part(math.sqrt(own / n), n - 1) for own, n in ((a.own, a.seeds), (b.own, b.seeds))]
    chance = _Chance(_examples(a.shares - b.shares, (1 / a.seeds + 1 / b.seeds) / 2), seeds)
    difference, reach = a.mean - b.mean, chance.reach(level)
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    return Comparison(difference, low, high, chance.beyond(abs(difference)), level)


def _examples(apart: NDArray[np.float64], quantum: float) -> _Part:
    """The part that examples have in the mean of `apart` [N].

    quantum: the square of what an example that differs by chance is worth; two such are added. The
    degrees of freedom follow from the fourth moment: few differing examples tell a variance badly,
    however many others there are.
    """
    count = len(apart) + 2
    squares = np.square(apart - apart.mean())
    second = (float(squares.sum()) + 2 * quantum) / count
    fourth = (float(np.square(squares).sum()) + 2 * quantum**2) / count
    freedom = 2 * count * second**2 / max(fourth - second**2, 1e-300)
    return _Part(math.sqrt(second / count), float(np.clip(freedom, 1.0, count - 1)))


class _Chance:
    """How far the sum of a part of the examples and parts of the seeds may lie from 0.

    Student's t is a normal figure whose variance is drawn first: freedom / chi-squared. So once the
    seeds' variances are drawn, what is left is the examples' t and a normal figure of known variance,
    nearly a t again, with Satterthwaite's degrees of freedom. The draws are integrated over a grid in the
    logarithm of chi-squared, on which all is smooth: a p of 1e-6 or more is off by less than a hundredth
    of itself.
    """

    def __init__(self, examples: _Part, seeds: Sequence[_Part]) -> None:
        self._parts = (examples, *seeds)
        # Of few differing examples the variance is drawn like the seeds'; "nearly" would not do.
        few = examples.freedom < 30
        variances, weights = np.zeros(1), np.ones(1)
        for scale, freedom in self._parts if few else seeds:
            half = freedom / 2
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
        self._freedoms = np.full_like(ratio, 1e9) if few else examples.freedom * ratio**4

    def beyond(self, distance: float) -> float:
        """The chance of at least `distance` (0 or more), either way."""
        tails = special.stdtr(self._freedoms, -distance / self._scales)
        return min(1.0, float(2 * (tails @ self._weights)))

    def reach(self, level: float) -> float:
        """The distance that is exceeded, either way, with chance `level`."""
        # The sum exceeds that of such quantiles only if one of its parts exceeds its own.
        tail = level / (2 * len(self._parts))
        most = sum(scale * float(special.stdtrit(freedom, 1 - tail)) for scale, freedom in self._parts)

        def missed(distance: float) -> float:
            return self.beyond(distance) - level

        return float(optimize.brentq(missed, 0.0, 1.001 * most, xtol=1e-12, rtol=1e-10))


def _comparison(difference: float, error: float, freedom: float, level: float) -> Comparison:
    if math.isinf(error):
        return Comparison(difference, -math.inf, math.inf, 1.0, level)
    reach = error * float(special.stdtrit(freedom, 1 - level / 2))
    p = two_sided(difference / error, freedom)
    return Comparison(difference, difference - reach, difference + reach, p, level)


def _compare_models(one: NDArray[np.bool_], other: NDArray[np.bool_], level: float) -> Comparison:
    """McNemar's p, and the interval that Fay and Lumbard meld from it: the share of examples on which
    the models differ, times which of them is right there, each from its exact (beta) limits. M. P. Fay
    and K. Lumbard, "Confidence intervals for difference in proportions for matched pairs compatible
    with exact McNemar's or sign tests", Stat. Med. 40 (2021), pages 1147-1159."""
    told = mcnemar(one, other)
    wins, losses, count = told.only_one, told.only_other, len(one)
    high = _melded(wins, losses, count, level / 2)
    low = -_melded(losses, wins, count, level / 2)
    return Comparison((wins - losses) / count, low, high, told.p, level)


def _melded(wins: int, losses: int, count: int, tail: float) -> float:
    """The upper end of (wins - losses) / count, exceeded with chance `tail` by the melded distribution."""
    apart = wins + losses
    quantiles = (np.arange(256) + 0.5) / 256
    # One's share of the examples on which they differ, at its upper limits: below a half, then above.
    # Split there, because whether 0 is inside hangs on the half alone, and must agree with the p.
    below = float(special.betainc(wins + 1, losses, 0.5)) if losses else 0.0
    fewer = 2 * special.betaincinv(wins + 1, losses, below * quantiles) - 1 if losses else np.zeros(1)
    more = 2 * special.betainccinv(wins + 1, losses, (1 - below) * quantiles) - 1 if losses else np.ones(1)

    def beyond(end: float) -> float:
        # A lead reaches furthest with many differing examples, a lag reaches least far with few.
        if end >= 0:
            share = np.minimum(end / np.maximum(more, 1e-300), 1.0)
            many = special.betaincc(apart + 1, count - apart, share) if apart < count else share < 1
            return (1 - below) * float(np.mean(many)) - tail
        share = np.minimum(end / np.minimum(fewer, -1e-300), 1.0)
        few = special.betainc(apart, count - apart + 1, share) if apart else share > 0
        return (1 - below) + below * float(np.mean(few)) - tail

    return float(optimize.brentq(beyond, -1.0, 1.0, xtol=1e-10)) if beyond(1.0) < 0 < beyond(-1.0) else 1.0


def compare_scores(
    one: Sequence[float], other: Sequence[float], level: float = 0.05, resolution: float = 0.0
) -> Comparison:
    """Compare two recipes by one figure a seed, where no example is right or wrong.

    `search.racing.elimination.welch`, with its care for equal figures; resolution: the figures' step, 0 for
    none. It speaks of other seeds on the same examples, not of other examples. Where nothing tells
    how far chance reaches (one figure each), p is 1 and the interval is -inf to inf.

    Raises ValueError when a side has no figure, and unless 0 < level < 1.
    """
    _check_level(level)
    told = welch(one, other, resolution)
    return _comparison(told.difference, told.error, told.freedom, level)


def mean_interval(correct: NDArray[np.bool_], confidence: float = 0.95) -> Interval:
    """The interval of a recipe's mean accuracy over seeds and examples, from its bits, bool [seeds, N].

    The parts of chance are those of `compare`. The interval is Wilson's, with their quantile and with as
    many examples as an independent sample of their variance would have, so that it stays inside 0..1
    and is `wilson` itself for one seed (which tells nothing of other seeds). E. L. Korn and
    B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", Surv. Methodol. 24 (1998), pages 193-201.

    Raises ValueError for a shape that does not fit, and unless 0 < confidence < 1.
    """
    _check_level(1 - confidence)
    recipe = _recipe(correct)
    count, mean = len(recipe.shares), recipe.mean
    if recipe.own is None or mean in (0.0, 1.0):
        return wilson(round(mean * count), count, confidence)
    # No less than if every bit of the table were independent of every other.
    least = mean * (1 - mean) / (recipe.seeds * count)
    examples = max(float(recipe.shares.var()) / count, least)
    chance = _Chance(
        _Part(math.sqrt(examples), max(1.0, count - 1)),
        [_Part(math.sqrt(recipe.own / recipe.seeds), recipe.seeds - 1)],
    )
    variance = examples + recipe.own / recipe.seeds
    quantile = chance.reach(1 - confidence) / math.sqrt(variance)
    return _score_interval(mean, mean * (1 - mean) / variance, quantile)


def _score_interval(share: float, count: float, quantile: float) -> Interval:
    shrink = 1 + quantile**2 / count
    middle = (share + quantile**2 / (2 * count)) / shrink
    reach = quantile / shrink * math.sqrt(share * (1 - share) / count + (quantile / (2 * count)) ** 2)
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))


def bootstrap(
    correct: Sequence[NDArray[np.bool_]], draws: int = 10_000, seed: int = 0
) -> NDArray[np.float64]:
    """Draw the recipes' mean accuracies as other seeds and other examples might have given them.

    correct: bool [seeds of the recipe, N] for each; the N examples are the same for all. Returns
    float [draws, recipes], shares in 0..1; the same `seed` gives the same draws.

    Examples are resampled, the same for all recipes of a draw, so that what is hard for all moves all.
    Seeds are not: of three, every ninth resample is one seed alone, and none reaches as far as other
    seeds would, so a recipe's seeds move it by Student's t with seeds - 1 degrees of freedom instead,
    by the part of their variance that resampled examples do not have already (see `compare`). A recipe
    of one seed is moved by examples alone: its draws speak of that model. A. B. Owen, "The pigeonhole
    bootstrap", Ann. Appl. Stat. 1 (2007), pages 386-411.

    Raises ValueError for no recipes, no draws, and shapes that do not fit.
    """
    recipes = [_recipe(bits) for bits in correct]
    if not recipes or draws < 1 or len({len(recipe.shares) for recipe in recipes}) != 1:
        raise ValueError(
            f"1 <= recipes, 1 <= draws and the same examples for all must hold, but got draws={draws} and "
            f"examples={[len(recipe.shares) for recipe in recipes]}"
        )
    random = np.random.default_rng(seed)
    # Examples that all models treat alike are one kind; their number in a resample is multinomial.
    kinds, counts = np.unique(np.column_stack([r.shares for r in recipes]), axis=0, return_counts=True)
    total = int(counts.sum())
    drawn = np.empty((draws, len(recipes)))
    for start in range(0, draws, 1000):
        block = drawn[start : start + 1000]
        block[:] = random.multinomial(total, counts / total, size=len(block)) @ kinds / total
    for column, recipe in enumerate(recipes):
        if recipe.own is not None:
            reach = math.sqrt(recipe.own / recipe.seeds)
            drawn[:, column] += reach * random.standard_t(recipe.seeds - 1, size=draws)
    return np.clip(drawn, 0.0, 1.0)


def best_shares(draws: NDArray[np.float64], maximize: bool = True) -> NDArray[np.float64]:
    """In which share of the draws each recipe is the best one, float [recipes], adding up to 1.

    draws: float [draws, recipes]. Recipes that are best together share that draw alike.
    Raises ValueError unless there is a draw and a recipe.
    """
    draws = np.asarray(draws, dtype=np.float64)
    if draws.ndim != 2 or not draws.size:
        raise ValueError(f"draws must be float [draws, recipes], not empty, but got {draws.shape}")
    best = draws.max(axis=1, keepdims=True) if maximize else draws.min(axis=1, keepdims=True)
    leads = draws == best
    shares: NDArray[np.float64] = (leads / leads.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def two_proportions(share_a: float, count_a: int, share_b: float, count_b: int) -> float:
    """The two-sided p, 0..1, of two shares (0..1) of count_a and count_b examples being equal.

    For published figures, of which the bits are not known: it takes the two samples for independent.
    On the same examples models tend to fail together, so this p is too large rather than too small.
    The score test with the pooled share, which is Pearson's chi-squared without correction; 1 where
    both shares are 0, or both 1.

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


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"0 < level < 1 must hold, but got level={level}")
