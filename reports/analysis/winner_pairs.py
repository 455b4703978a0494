"""The winners of several runs, compared in pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from reports.analysis.runs import ComparedRun
from reports.analysis.winner_basis import Basis, ComparedSplit, Method, Side, basis_of
from reports.statistics.comparison import Comparison
from reports.statistics.intervals import Standing
from trainable.contract import Metric

LEVEL = 0.05
"""Significance level of all pairs together."""


class WinnerPair(NamedTuple):
    """The winners of two runs. p <= `LEVEL` if and only if 0 lies outside the interval."""

    one: ComparedRun
    """The run that comes first."""
    other: ComparedRun
    """The run it is compared with."""
    on: ComparedSplit | None = None
    """The split they are compared on; None, as in the next four fields, if they cannot be compared."""
    by: Metric | None = None
    """The metric they are compared by."""
    method: Method | None = None
    """The test."""
    sides: tuple[Side, Side] | None = None
    """Both results, in the pair's order."""
    comparison: Comparison | None = None
    """The mean of `one` minus that of `other`, with an interval that holds for all pairs together; None if
    chance cannot be estimated."""
    p: float | None = None
    """p-value, 0..1, adjusted for all pairs; None without a comparison."""
    why: str = ""
    """Why there is no comparison, as a clause; "" if there is one."""

    @property
    def standing(self) -> Standing | None:
        """How `one` compares with `other`; None without a comparison."""
        if self.comparison is None or self.p is None or self.by is None:
            return None
        if self.p > LEVEL or self.comparison.difference == 0:
            return "tied"
        return "better" if self.by.sign * self.comparison.difference > 0 else "worse"


def pairs(runs: Sequence[ComparedRun]) -> tuple[WinnerPair, ...]:
    """Every pair of runs, in their order.

    If both winners were evaluated on the same test examples, and it is recorded which ones each got right,
    the test is `reports.statistics.comparison.compare`: over seeds and examples, or McNemar's for one model
    each. Without that record it is Welch's test over the seeds' test results. If one test set is still
    sealed, it is Welch's test over the validation scores with fresh seeds from both confirmations. Scores of
    the search itself are never compared: each is the best of many, so it says nothing about chance.

    Of m pairs that are compared, each p is multiplied by m, and the interval has confidence 1 - 0.05 / m
    (Bonferroni), so that all of them hold together and p and interval always agree. The winners were chosen
    by validation scores of the same networks, which biases each a little, and equally if both were chosen
    among as many. In simulated pairs of equal recipes (5 seeds each, 2,000 images of either split with logits
    of mean 6 and deviation 3, 300 pairs per case) p was at or below 5 % in 2 to 4 % of them if a seed shifted
    all logits by a deviation of 0.1; if by 0.5, in 0.3 to 4 %, and in 9 % if one winner was the best of nine
    and the other the only one.
    """
    with_basis = [(one, other, basis_of(one, other)) for one, other in itertools.combinations(runs, 2)]
    count = sum(isinstance(basis, Basis) for _, _, basis in with_basis)
    return tuple(_pair(one, other, basis, count) for one, other, basis in with_basis)


def _pair(one: ComparedRun, other: ComparedRun, basis: Basis | str, count: int) -> WinnerPair:
    if isinstance(basis, str):
        return WinnerPair(one, other, why=basis)
    comparison = basis.compare(LEVEL / count)
    pair = WinnerPair(one, other, basis.on, basis.by, basis.method, basis.sides)
    if math.isinf(comparison.low):
        single = max(len(scores) for scores in basis.scores) == 1
        seeds = "one seed each says" if single else "equal scores say"
        return pair._replace(
            why=f"{seeds} nothing about the variance between seeds, and it is not recorded which examples "
            f"were right"
        )
    return pair._replace(comparison=comparison, p=min(1.0, count * comparison.p))


def plain_pair(pair: WinnerPair) -> dict[str, Any]:
    """The pair as plain values, with the runs' labels; see `benchsweep compare --help` for the keys."""
    sides = [None, None] if pair.sides is None else [side._asdict() for side in pair.sides]
    return {
        "one": pair.one.label,
        "other": pair.other.label,
        "on": pair.on,
        "metric": None if pair.by is None else pair.by.name,
        "method": pair.method,
        "winners": sides,
        "comparison": None if pair.comparison is None else pair.comparison._asdict(),
        "p": pair.p,
        "standing": pair.standing,
        "why": pair.why,
    }
