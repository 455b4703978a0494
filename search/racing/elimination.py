"""Which candidates of a confirmation are worse than others by more than their seeds explain.

A race gives every candidate the same seeds, a few at a time, and lets go those that are separated.
What it says holds on the validation examples as they are: only seeds are drawn anew in it.
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

_SAME = 1e-12
"""Figures closer than this share of their size are equal but for rounding."""


class Welch(NamedTuple):
    """A comparison of two means. difference: one's less the other's; error: its standard error (0
    or more; inf where nothing tells it); freedom: Satterthwaite's degrees of freedom, 1 or more;
    p: two-sided, 0..1."""

    difference: float
    error: float
    freedom: float
    p: float


class Separation(NamedTuple):
    """A candidate that is worse than another one by more than chance explains.

    than: the better one (of several, the one with the best mean). seeds: of each, at the look that
    told. p: of the pair, adjusted for all pairs and looks of the race, 0..1.
    """

    candidate: str
    than: str
    seeds: int
    p: float


class Race(NamedTuple):
    """What the scores so far decide.

    racing: those that may still be the best, best mean first; never empty.
    separated: those that are not, in the order in which they were told.
    seeds: of each racing candidate at the last look; 0 before the first.
    p: for each candidate but the leader, the smallest adjusted p by which it was worse than any
        other one at any look; 1 where it never was.
    """

    racing: tuple[str, ...]
    separated: tuple[Separation, ...]
    seeds: int
    p: Mapping[str, float]

    @property
    def leader(self) -> str:
        """The racing candidate with the best mean."""
        return self.racing[0]

    @property
    def decided(self) -> bool:
        """Whether one candidate is left, so that further seeds would change nothing."""
        return len(self.racing) == 1


def looks(seeds: int) -> tuple[int, ...]:
    """How many seeds each candidate has when the race looks: 3, 5, 10, 20, 40, ... and `seeds`.

    One seed says nothing of seeds, so there is no look at it: () for 1 and (2,) for 2.
    Raises ValueError unless 1 <= seeds.
    """
    if seeds < 1:
        raise ValueError(f"1 <= seeds must hold, but got seeds={seeds}")
    doubled = itertools.takewhile(lambda look: look < seeds, (5 * 2**power for power in itertools.count()))
    early = [look for look in (3, *doubled) if look < seeds]
    return (*early, seeds) if seeds > 1 else ()


def race(
    scores: Mapping[str, Sequence[float]],
    seeds: int,
    direction: Direction,
    level: float,
    resolution: float | None = None,
) -> Race:
    """Walk through the looks that the scores allow, and say who is left.

    scores: by candidate, one finite figure a seed, in the seeds' order. Those that were separated
        may have fewer than the others, and what they have beyond their last look is not read. A
        look waits until all that race have its seeds.
    seeds: how many the plan gives to each candidate at most; it fixes the `looks`.
    level: the chance, 0..1, that any candidate is separated from an equal one, in the whole race.
    resolution: the step of the scores, in their unit: 1 / examples for an accuracy, 0 for a figure
        without steps. None: the smallest step seen (see `step`).

    The answer depends on the arguments alone, so a race that was interrupted goes on where it was,
    and gives the same answer when its record is read again.

    Pairs are compared by Welch's test, because recipes differ in how much seeds move them. The
    leader is chosen by the same scores, so all k (k - 1) / 2 pairs count, not the leader's k - 1
    alone. A pair's p at a look is divided by the look's share of the level, which is in proportion
    to its seeds (10 of 18 for the last of 3, 5, 10: early looks stop what is clear, late ones decide
    what is close), and its least value so far goes into Shaffer's step-down test. That is Bonferroni's
    inequality throughout, so the level holds whatever the pairs and looks have to do with each
    other. J. P. Shaffer, "Modified sequentially rejective multiple test procedures", J. Am. Stat.
    Assoc. 81 (1986), pages 826-831.

    Games and Howell's test (Tukey's studentized range on Welch's terms) needs differences a twentieth
    smaller, but at a stated 2.5 % six equal candidates were told apart in 4.8 % of simulated races to 3
    seeds, and in 3.3 % of those to 10, where one of them varied a quarter as much as the others; this
    one in 1.7 % and 2.0 %. With two candidates alone, one of which varies four times as much as the
    other, it is 3.0 % at 3 to 5 seeds and 2.6 % from 10 on.

    Raises ValueError for no candidates, a score that is not finite, a level outside 0..1, or
    more scores than seeds.
    """
    _check(scores, seeds, level)
    order = list(scores)
    sign = Metric("score", direction).sign
    values = {name: sign * np.asarray(scores[name], dtype=np.float64) for name in order}
    planned = looks(seeds)
    racing = order
    separated: list[Separation] = []
    least = dict.fromkeys(itertools.combinations(order, 2), 1.0)
    behind: dict[tuple[str, str], str | None] = dict.fromkeys(least)
    adjusted = dict(least)
    taken = 0
    for look in planned:
        if len(racing) == 1 or any(len(values[name]) < look for name in racing):
            break
        taken = look
        share = look / sum(planned)
        seen = {name: values[name][:look] for name in racing}
        smallest = step([*seen.values()]) if resolution is None else resolution
        now: dict[tuple[str, str], str | None] = {}
        for pair in itertools.combinations(racing, 2):
            told = welch(seen[pair[0]], seen[pair[1]], smallest)
            now[pair] = None if told.difference == 0 else pair[told.difference > 0]
            if told.p / share < least[pair]:
                least[pair], behind[pair] = told.p / share, now[pair]
        adjusted = dict(zip(least, shaffer([*least.values()], len(order)), strict=True))
        ranked = sorted(racing, key=lambda name: -float(seen[name].mean()))
        gone: dict[str, Separation] = {}
        for better, worse in itertools.combinations(ranked, 2):
            pair = (better, worse) if (better, worse) in now else (worse, better)
            # An early look's claim must still stand when the step-down reaches it, so that the best
            # mean of a look is never let go at it.
            if adjusted[pair] <= level and behind[pair] == now[pair] == worse:
                gone.setdefault(worse, Separation(worse, better, look, adjusted[pair]))
        separated += gone.values()
        racing = [name for name in racing if name not in gone]
    # Before the first look the means of what is there put them in order; no score at all comes last.
    best = {name: values[name][: taken or None] for name in racing}
    racing = sorted(racing, key=lambda name: -float(best[name].mean()) if len(best[name]) else math.inf)
    smallest_p = {name: 1.0 for name in order if name != racing[0]}
    for pair, p in adjusted.items():
        loser = behind[pair]
        if loser in smallest_p:
            smallest_p[loser] = min(smallest_p[loser], p)
    return Race(tuple(racing), tuple(separated), taken, smallest_p)


def welch(
    one: Sequence[float] | NDArray[np.float64],
    other: Sequence[float] | NDArray[np.float64],
    resolution: float = 0.0,
) -> Welch:
    """Welch's test of two means, one figure a seed, that small lucky deviations do not fool.

    resolution: the step in which the figures come, 0 or more. Three accuracies on 297 images are
    often equal by chance, and a deviation of 0 would make any difference certain. So no variance is
    taken for less than resolution² / 4, that of a figure that falls on two neighbouring steps alike.

    A side of one figure is given the other side's variance, the only one there is. Where both have
    one, or both are constant and come in no known step, nothing tells how far chance reaches: the
    error is inf and p is 1.

    B. L. Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947), pages 28-35; F. E. Satterthwaite, "An approximate
    distribution of estimates of variance components", Biometrics Bulletin 2 (1946), pages 110-114.
    Raises ValueError when a side has no figure.
    """
    if not len(one) or not len(other):
        raise ValueError(f"each side needs at least one figure, but got {len(one)} and {len(other)}")
    sides = [np.asarray(side, dtype=np.float64) for side in (one, other)]
    difference = float(sides[0].mean() - sides[1].mean())
    told = [(max(float(side.var(ddof=1)), resolution**2 / 4), len(side)) for side in sides if len(side) > 1]
    if len(told) == 2:
        parts = [(variance / count, float(count - 1)) for variance, count in told]
    elif told:
        variance, count = told[0]
        parts = [(variance * (1 + 1 / count), float(count - 1))]
    else:
        parts = []
    error = math.sqrt(sum(part for part, _ in parts))
    # Equal figures have a deviation of a few units in the last place; that is none.
    if error <= _SAME * max(float(np.abs(side).max()) for side in sides):
        return Welch(difference, math.inf, 1.0, 1.0)
    freedom = freedom_of(parts)
    return Welch(difference, error, freedom, two_sided(difference / error, freedom))


def freedom_of(parts: Sequence[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of independent variances, each with its own:
    parts are (variance, degrees of freedom), and not all variances 0."""
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / freedom for part, freedom in parts)


def two_sided(t: float, freedom: float) -> float:
    """The chance, 0..1, that Student's t with `freedom` degrees of freedom is at least |t| from 0."""
    from scipy import special  # not before there is a race: reading a run takes a fifth of a second less

    return float(2 * special.stdtr(freedom, -abs(t)))


def step(values: Sequence[NDArray[np.float64]]) -> float:
    """The smallest distance between two different figures of all, 0 where all are equal.

    Of accuracies on N examples it is 1 / N or a small multiple; of a loss, next to nothing. Two
    constants are therefore as far apart as their step, and take many seeds to be told apart.
    """
    sorted_all = np.sort(np.concatenate(values))
    gaps = np.diff(sorted_all)
    real = gaps[gaps > _SAME * np.abs(sorted_all).max(initial=0.0)]
    return float(real.min(initial=math.inf)) if len(real) else 0.0


def shaffer(p_values: Sequence[float], groups: int) -> list[float]:
    """Adjusted p of all pairs of `groups` means, in the order given; each at most 1.

    Shaffer's first procedure (S1): Holm's, but the s-th smallest p is multiplied by the largest number
    of equal pairs that is possible once s - 1 are unequal. Of 6 means, 15 pairs may be equal; once
    one pair differs, not 14 but 10. J. P. Shaffer, "Modified sequentially rejective multiple test
    procedures", J. Am. Stat. Assoc. 81 (1986), pages 826-831. S. García and F. Herrera, "An extension
    on 'Statistical comparisons of classifiers over multiple data sets'", J. Mach. Learn. Res. 9
    (2008), pages 2677-2694, have a worked example.

    Raises ValueError unless there are groups * (groups - 1) / 2 p-values.
    """
    pairs = groups * (groups - 1) // 2
    if len(p_values) != pairs:
        raise ValueError(f"{groups} groups have {pairs} pairs, but got {len(p_values)} p-values")
    possible = sorted(equal_pairs(groups))
    adjusted = [0.0] * pairs
    highest = 0.0
    for rejected, index in enumerate(sorted(range(pairs), key=p_values.__getitem__)):
        factor = max(count for count in possible if count <= pairs - rejected)
        highest = max(highest, min(1.0, factor * p_values[index]))
        adjusted[index] = highest
    return adjusted


@cache
def equal_pairs(groups: int) -> frozenset[int]:
    """How many pairs of `groups` means can be equal: {0, 1, 3} of 3, since two equal pairs make the
    third. Shaffer (1986), page 828."""
    if groups < 2:
        return frozenset({0})
    return frozenset(
        alike * (alike - 1) // 2 + rest
        for alike in range(1, groups + 1)
        for rest in equal_pairs(groups - alike)
    )


def _check(scores: Mapping[str, Sequence[float]], seeds: int, level: float) -> None:
    if not scores:
        raise ValueError("a race needs at least one candidate, but got none")
    if not 0 < level < 1:
        raise ValueError(f"0 < level < 1 must hold, but got level={level}")
    for name, values in scores.items():
        if len(values) > seeds:
            raise ValueError(f"{name}: at most {seeds} scores must come, but got {len(values)}")
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"{name}: scores must be finite, but got {list(values)}")
