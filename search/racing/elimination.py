"""Sequential elimination: which candidates are significantly worse than another one.

All candidates get the same seeds, a few at a time, and those that are separated from a better one drop
out. The conclusions hold for the given validation examples: only the seeds are a random sample.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainable.contract import Direction, Metric

_ROUNDING = 1e-12
"""Relative difference up to which two values count as equal."""


class Welch(NamedTuple):
    """A comparison of two means by Welch's test."""

    difference: float
    """First mean minus second mean."""
    error: float
    """Standard error of the difference, 0 or more; inf if it cannot be estimated."""
    freedom: float
    """Satterthwaite's degrees of freedom, 1 or more."""
    p: float
    """Two-sided p-value, 0 to 1."""


class Separation(NamedTuple):
    """A candidate that is significantly worse than another one."""

    candidate: str
    """The worse candidate."""
    better: str
    """The better one; of several, the one with the best mean."""
    seeds: int
    """Seeds of each candidate at the look that separated them."""
    p: float
    """p-value of the pair, adjusted for all pairs and looks, 0 to 1."""


class EliminationResult(NamedTuple):
    """The candidates that remain, and those that were separated."""

    remaining: tuple[str, ...]
    """Candidates that may still be the best, the best mean first; never empty."""
    separated: tuple[Separation, ...]
    """The others, in the order of their elimination."""
    seeds: int
    """Seeds of each remaining candidate at the last look; 0 before the first look."""
    p: Mapping[str, float]
    """For each candidate but the leader, its smallest adjusted p-value against a better one at any look;
    1 if it never was the worse of two."""

    @property
    def leader(self) -> str:
        """The remaining candidate with the best mean."""
        return self.remaining[0]

    @property
    def decided(self) -> bool:
        """Whether only one candidate remains."""
        return len(self.remaining) == 1


def looks(seeds: int) -> tuple[int, ...]:
    """Numbers of seeds at which the candidates are compared: 3, 5, 10, 20, 40, ... and `seeds`.

    One seed gives no variance, so there is no look at it: () for 1 and (2,) for 2.
    Raises ValueError unless seeds >= 1.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, but got {seeds}")
    doubled = itertools.takewhile(lambda look: look < seeds, (5 * 2**power for power in itertools.count()))
    early = [look for look in (3, *doubled) if look < seeds]
    return (*early, seeds) if seeds > 1 else ()


def eliminate(
    scores: Mapping[str, Sequence[float]],
    seeds: int,
    direction: Direction,
    level: float,
    resolution: float | None = None,
) -> EliminationResult:
    """Compare the candidates at every look that the scores allow.

    scores: by candidate, one finite score per seed, in the order of the seeds. A separated candidate may
        have fewer than the others; its scores after the look that separated it are ignored. A look waits
        until all remaining candidates have its seeds.
    seeds: maximum number of seeds per candidate; it determines the `looks`.
    level: probability, 0 to 1, that any candidate is separated from an equal one in the course of the race.
    resolution: step of the scores, in their unit: 1 / examples for an accuracy, 0 for a continuous score.
        None: the smallest step observed (see `smallest_step`).

    The result depends on the arguments alone, so an interrupted race continues where it stopped.

    Pairs are compared by Welch's test, because seeds affect some recipes more than others. The leader is
    chosen by the same scores, so all k (k - 1) / 2 pairs count, not only the leader's k - 1. A pair's
    p-value at a look is divided by the look's share of the level, which is proportional to its seeds (10/18
    for the last of 3, 5, 10: early looks end clear cases, late ones decide close ones), and its smallest
    value so far enters Shaffer's step-down test. Both steps rely on Bonferroni's inequality alone, so the
    level holds for any dependence between pairs and looks. J. P. Shaffer, "Modified sequentially rejective
    multiple test procedures", J. Am. Stat. Assoc. 81 (1986), pages 826-831.

    The Games-Howell test (Tukey's studentized range with Welch's variances) needs differences 5 % smaller,
    but at a nominal 2.5 % it separated six equal candidates in 4.8 % of simulated races over 3 seeds, and in
    3.3 % of those over 10, when one of them varied a quarter as much as the others; this test did so in
    1.7 % and 2.0 %. With two candidates, one of which varies four times as much as the other, it does so in
    3.0 % at 3 to 5 seeds and 2.6 % from 10 on.

    Raises ValueError for no candidates, a score that is not finite, a level outside 0 to 1, or more scores
    than seeds.
    """
    _check(scores, seeds, level)
    names = list(scores)
    sign = Metric("score", direction).sign
    values = {name: sign * np.asarray(scores[name], dtype=np.float64) for name in names}
    planned = looks(seeds)
    remaining = names
    separated: list[Separation] = []
    smallest = dict.fromkeys(itertools.combinations(names, 2), 1.0)
    worse_at_smallest: dict[tuple[str, str], str | None] = dict.fromkeys(smallest)
    adjusted = dict(smallest)
    last_look = 0
    for look in planned:
        if len(remaining) == 1 or any(len(values[name]) < look for name in remaining):
            break
        last_look = look
        share = look / sum(planned)
        seen = {name: values[name][:look] for name in remaining}
        step = smallest_step([*seen.values()]) if resolution is None else resolution
        worse_now: dict[tuple[str, str], str | None] = {}
        for pair in itertools.combinations(remaining, 2):
            test = welch(seen[pair[0]], seen[pair[1]], step)
            worse_now[pair] = None if test.difference == 0 else pair[test.difference > 0]
            if test.p / share < smallest[pair]:
                smallest[pair], worse_at_smallest[pair] = test.p / share, worse_now[pair]
        adjusted = dict(zip(smallest, shaffer([*smallest.values()], len(names)), strict=True))
        ranked = sorted(remaining, key=lambda name: -float(seen[name].mean()))
        out: dict[str, Separation] = {}
        for better, worse in itertools.combinations(ranked, 2):
            pair = (better, worse) if (better, worse) in worse_now else (worse, better)
            # A difference found at an early look must still have the same sign when the step-down reaches
            # it, so that the best mean of a look is never eliminated at it.
            if adjusted[pair] <= level and worse_at_smallest[pair] == worse_now[pair] == worse:
                out.setdefault(worse, Separation(worse, better, look, adjusted[pair]))
        separated += out.values()
        remaining = [name for name in remaining if name not in out]
    # Before the first look, order by the mean of the scores so far; candidates without a score come last.
    used = {name: values[name][: last_look or None] for name in remaining}
    remaining = sorted(remaining, key=lambda name: -float(used[name].mean()) if len(used[name]) else math.inf)
    smallest_p = {name: 1.0 for name in names if name != remaining[0]}
    for pair, p in adjusted.items():
        loser = worse_at_smallest[pair]
        if loser in smallest_p:
            smallest_p[loser] = min(smallest_p[loser], p)
    return EliminationResult(tuple(remaining), tuple(separated), last_look, smallest_p)


def welch(
    first: Sequence[float] | NDArray[np.float64],
    second: Sequence[float] | NDArray[np.float64],
    resolution: float = 0.0,
) -> Welch:
    """Welch's test of two means, one value per seed, with a lower bound on the variances.

    resolution: step of the values, 0 or more. Three accuracies on 297 images are often equal by chance, and
    a variance of 0 would make any difference significant. So each variance is at least resolution² / 4,
    that of a value that falls on either of two neighbouring steps.

    A sample of one value is given the variance of the other sample. If both have one value, or both are
    constant with an unknown step, the error is inf and p is 1.

    B. L. Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947), pages 28-35; F. E. Satterthwaite, "An approximate
    distribution of estimates of variance components", Biometrics Bulletin 2 (1946), pages 110-114.
    Raises ValueError if a sample is empty.
    """
    if not len(first) or not len(second):
        raise ValueError(f"each sample must have a value, but got {len(first)} and {len(second)}")
    samples = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    difference = float(samples[0].mean() - samples[1].mean())
    variances = [
        (max(float(sample.var(ddof=1)), resolution**2 / 4), len(sample))
        for sample in samples
        if len(sample) > 1
    ]
    if len(variances) == 2:
        parts = [(variance / count, float(count - 1)) for variance, count in variances]
    elif variances:
        variance, count = variances[0]
        parts = [(variance * (1 + 1 / count), float(count - 1))]
    else:
        parts = []
    error = math.sqrt(sum(part for part, _ in parts))
    # Equal values have a deviation of a few units in the last place, which counts as none.
    if error <= _ROUNDING * max(float(np.abs(sample).max()) for sample in samples):
        return Welch(difference, math.inf, 1.0, 1.0)
    freedom = satterthwaite(parts)
    return Welch(difference, error, freedom, two_sided_p(difference / error, freedom))


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of independent variances.

    parts: (variance, degrees of freedom) of each; not all variances may be 0.
    """
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / freedom for part, freedom in parts)


def two_sided_p(t: float, freedom: float) -> float:
    """Probability that Student's t with `freedom` degrees of freedom is at least |t| away from 0."""
    from scipy import special  # takes 0.2 s, which reading a run need not spend

    return float(2 * special.stdtr(freedom, -abs(t)))


def smallest_step(samples: Sequence[NDArray[np.float64]]) -> float:
    """The smallest distance between two different values of all samples; 0 if all are equal.

    For accuracies on N examples it is 1 / N or a small multiple; for a loss it is close to 0. Two constant
    samples are therefore one step apart, and need many seeds to be separated.
    """
    values = np.sort(np.concatenate(samples))
    gaps = np.diff(values)
    real = gaps[gaps > _ROUNDING * np.abs(values).max(initial=0.0)]
    return float(real.min(initial=math.inf)) if len(real) else 0.0


def shaffer(p_values: Sequence[float], groups: int) -> list[float]:
    """Adjusted p-values of all pairs of `groups` means, in the given order; each at most 1.

    Shaffer's first procedure (S1): like Holm's, but the s-th smallest p is multiplied by the maximum number
    of pairs that can be equal once s - 1 are unequal. Of 6 means, 15 pairs can be equal; once one pair
    differs, not 14 but 10. J. P. Shaffer, "Modified sequentially rejective multiple test
    procedures", J. Am. Stat. Assoc. 81 (1986), pages 826-831. S. García and F. Herrera, "An extension
    on 'Statistical comparisons of classifiers over multiple data sets'", J. Mach. Learn. Res. 9
    (2008), pages 2677-2694, have a worked example.

    Raises ValueError unless there are groups * (groups - 1) / 2 p-values.
    """
    pairs = groups * (groups - 1) // 2
    if len(p_values) != pairs:
        raise ValueError(f"{groups} groups have {pairs} pairs, but got {len(p_values)} p-values")
    possible = sorted(equal_pair_counts(groups))
    adjusted = [0.0] * pairs
    highest = 0.0
    for rejected, index in enumerate(sorted(range(pairs), key=p_values.__getitem__)):
        factor = max(count for count in possible if count <= pairs - rejected)
        highest = max(highest, min(1.0, factor * p_values[index]))
        adjusted[index] = highest
    return adjusted


@cache
def equal_pair_counts(groups: int) -> frozenset[int]:
    """Possible numbers of equal pairs among `groups` means: {0, 1, 3} for 3, since two equal pairs imply
    the third. Shaffer (1986), page 828."""
    if groups < 2:
        return frozenset({0})
    return frozenset(
        equal * (equal - 1) // 2 + rest
        for equal in range(1, groups + 1)
        for rest in equal_pair_counts(groups - equal)
    )


def _check(scores: Mapping[str, Sequence[float]], seeds: int, level: float) -> None:
    if not scores:
        raise ValueError("there must be at least one candidate, but got none")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, but got {level}")
    for name, values in scores.items():
        if len(values) > seeds:
            raise ValueError(f"{name} must have at most {seeds} scores, but has {len(values)}")
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"the scores of {name} must be finite, but got {list(values)}")
