"""Several runs' winners against each other, two at a time, and what chance says of each difference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.analysis.finalists import test_metric
from reports.analysis.runs import ComparedRun, data_identity, same_data
from reports.analysis.winner import correct_bits, winner_of
from reports.formatting.wording import listing
from reports.statistics.comparison import Comparison, compare, compare_scores
from reports.statistics.intervals import Standing, spread
from search.racing.elimination import smallest_step
from search.records.confirmation import candidate_name
from search.records.sweep import Sweep
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation

LEVEL = 0.05
Method = Literal["images", "models", "seeds"]
ComparedSplit = Literal["test set", "validation"]


class Side(NamedTuple):
    """A run's winner in a pair: what it is called, over how many seeds, and its figures' mean and deviation
    (None for one seed), in the metric's unit."""

    name: str
    seeds: int
    mean: float
    deviation: float | None


class WinnerPair(NamedTuple):
    """Two runs' winners.

    one, other: the runs. on, by: on which split and by which figure they are compared; None where they
    cannot be. method: "images": image by image, over seeds and images; "models": the same of one model each;
    "seeds": by one figure a seed, over seeds alone. comparison: one's mean less the other's; low and high
    hold for all pairs together. p: adjusted for all pairs, 0..1. why: they are not compared, a sentence; ""
    where they are.

    p <= LEVEL where 0 lies outside the interval, and nowhere else.
    """

    one: ComparedRun
    other: ComparedRun
    on: ComparedSplit | None = None
    by: Metric | None = None
    method: Method | None = None
    sides: tuple[Side, Side] | None = None
    comparison: Comparison | None = None
    p: float | None = None
    why: str = ""

    @property
    def standing(self) -> Standing | None:
        """What `one` is, compared with `other`."""
        if self.comparison is None or self.p is None or self.by is None:
            return None
        if self.p > LEVEL or self.comparison.difference == 0:
            return "tied"
        return "better" if self.by.sign * self.comparison.difference > 0 else "worse"


@dataclass(frozen=True)
class _Basis:
    """What two winners are compared by: bits bool [seeds, N] of each where there are any, else figures."""

    on: ComparedSplit
    by: Metric
    sides: tuple[Side, Side]
    scores: tuple[Sequence[float], Sequence[float]]
    bits: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None

    @property
    def method(self) -> Method:
        if self.bits is None:
            return "seeds"
        return "models" if all(len(bits) == 1 for bits in self.bits) else "images"

    def compare(self, level: float) -> Comparison:
        if self.bits is not None:
            return compare(*self.bits, level)
        sides = [np.asarray(scores, dtype=np.float64) for scores in self.scores]
        # An accuracy comes in steps; that two seeds fell on one step says little of their spread.
        return compare_scores(*self.scores, level, smallest_step(sides) if self.by.unit == "share" else 0.0)


def pairs(runs: Sequence[ComparedRun]) -> tuple[WinnerPair, ...]:
    """Every two runs, in their order.

    Where both winners were looked at on the same test examples, and it is known which each got right, the
    test is `reports.statistics.comparison.compare`: over seeds and examples, and McNemar's for one model
    each. Without that it is Welch's over the seeds' test figures. Where the test set was not opened by both,
    it is Welch's over the fresh seeds' validation scores of both confirmations. A score of the search itself
    is never compared: it is the best of many, and tells nothing of chance.

    Of m pairs that are compared each p is multiplied by m, and the interval has confidence 1 - 0.05 / m
    (Bonferroni), so that all of them hold together and p and interval never disagree. The winners were
    chosen by the same networks' validation scores, which flatters each a little, and alike where both were
    chosen among as many. In simulated pairs of equal recipes (5 seeds each, 2,000 images of either split
    with logits of mean 6 and deviation 3, 300 pairs a case) p was at or below 5 % in 2 to 4 % of them where
    a seed shifted all logits by a deviation of 0.1; where it was 0.5, in 0.3 to 4 %, and in 9 % where one
    winner was the best of nine but the other the only one.
    """
    found = [(one, other, _basis(one, other)) for one, other in itertools.combinations(runs, 2)]
    count = sum(isinstance(basis, _Basis) for _, _, basis in found)
    return tuple(_pair(one, other, basis, count) for one, other, basis in found)


def _pair(one: ComparedRun, other: ComparedRun, basis: _Basis | str, count: int) -> WinnerPair:
    if isinstance(basis, str):
        return WinnerPair(one, other, why=basis)
    told = basis.compare(LEVEL / count)
    pair = WinnerPair(one, other, basis.on, basis.by, basis.method, basis.sides)
    if math.isinf(told.low):
        seeds = (
            "one seed each tells" if max(len(each) for each in basis.scores) == 1 else "equal figures tell"
        )
        return pair._replace(
            why=f"{seeds} nothing of how far chance reaches, and which examples were right is not known"
        )
    return pair._replace(comparison=told, p=min(1.0, count * told.p))


def _basis(one: ComparedRun, other: ComparedRun) -> _Basis | str:
    """What the two are compared by, or why nothing does."""
    if not same_data(one.sweep, other.sweep):
        return _data_words(one, other)
    tested = _tested(one, other)
    if isinstance(tested, _Basis):
        return tested
    confirmed = _confirmed(one, other)
    return confirmed if isinstance(confirmed, _Basis) else f"{tested}; {confirmed}"


def _data_words(one: ComparedRun, other: ComparedRun) -> str:
    kinds = [data_identity(each.sweep) for each in (one, other)]
    if all(kind == "sha256" for kind, _ in kinds):
        sums = " and ".join(f"{known[:12]}…" for _, known in kinds)
        return f"{one.short} and {other.short} saw different data (data_sha256 {sums})"
    if all(kind == "plan" for kind, _ in kinds):
        return f"{one.short} and {other.short} have different [data] tables or trainables"
    return f"{one.short} and {other.short} are not known to have seen the same data"


def _tested(one: ComparedRun, other: ComparedRun) -> _Basis | str:
    winners = [winner_of(run.sweep) for run in (one, other)]
    sealed = [run.short for run, winner in zip((one, other), winners, strict=True) if winner is None]
    if sealed:
        return f"the test set of {listing(sealed)} is still sealed"
    held = [[look.evaluation for look in winner.looks] for winner in winners if winner is not None]
    metrics = [test_metric(run.sweep, told[0]) for run, told in zip((one, other), held, strict=True)]
    if metrics[0] != metrics[1]:
        return f"the test set told {one.short} by {metrics[0].name}, {other.short} by {metrics[1].name}"
    if apart := _examples_words(held[0][0], held[1][0]):
        return apart
    by = metrics[0]
    scores = [[each.metrics[by.name] for each in told if by.name in each.metrics] for told in held]
    if not all(scores):
        return f"a winner has no {by.name} on the test set"
    bits = [correct_bits(told) for told in held] if by.name == "accuracy" else [None, None]
    names = [winner.name for winner in winners if winner is not None]
    both = None
    if bits[0] is not None and bits[1] is not None:
        both = (bits[0], bits[1])
    return _Basis("test set", by, _sides(names, scores), (scores[0], scores[1]), both)


def _examples_words(one: Evaluation, other: Evaluation) -> str:
    """Why two evaluations were not of the same examples; "" where nothing says so. The same data has the
    same test split, so this only ever speaks where a record and its data disagree."""
    if one.count != other.count:
        return f"the test sets hold {one.count:,} and {other.count:,} examples"
    if one.confusion is not None and other.confusion is not None:
        classes = [each.confusion.sum(axis=1) for each in (one, other) if each.confusion is not None]
        if not np.array_equal(*classes):
            return "the test sets hold other numbers of each class"
    return ""


def _confirmed(one: ComparedRun, other: ComparedRun) -> _Basis | str:
    if one.sweep.metric != other.sweep.metric:
        words = [f"{run.short} is judged by {_metric_words(run)}" for run in (one, other)]
        return f"on validation {words[0]}, {words[1]}"
    found = [_fresh(run.sweep) for run in (one, other)]
    missing = [run.short for run, told in zip((one, other), found, strict=True) if told is None]
    if missing:
        return (
            f"no winner of {listing(missing)} was confirmed with fresh seeds (`benchsweep confirm` does it)"
        )
    told = [each for each in found if each is not None]
    sides = _sides([name for name, _ in told], [scores for _, scores in told])
    return _Basis("validation", one.sweep.metric, sides, (told[0][1], told[1][1]), None)


def _fresh(sweep: Sweep) -> tuple[str, list[float]] | None:
    """The confirmation's winner and its scores with fresh seeds."""
    winner = None if sweep.confirmation is None else sweep.confirmation.winner
    return (candidate_name(winner.trial), winner.scores) if winner is not None and winner.scores else None


def _metric_words(run: ComparedRun) -> str:
    metric = run.sweep.metric
    unit = f" in {metric.unit}" if metric.unit else ""
    return f"{metric.name}{unit} ({metric.direction}d)".replace("maximized", "maximised").replace(
        "minimized", "minimised"
    )


def _sides(names: Sequence[str], scores: Sequence[Sequence[float]]) -> tuple[Side, Side]:
    made = []
    for name, held in zip(names, scores, strict=True):
        told = spread(held)
        made.append(Side(name, told.runs, told.mean, told.deviation))
    return made[0], made[1]


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
