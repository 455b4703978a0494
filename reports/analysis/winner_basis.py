"""What the winners of two runs can be compared by: their results on the test set, or fresh seeds' scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from reports.analysis.finalists import test_metric
from reports.analysis.runs import ComparedRun, data_identity, same_data
from reports.analysis.verdict import run_argument
from reports.analysis.winner import correct_bits, winner_of
from reports.formatting.wording import listing
from reports.statistics.arrays import Bools
from reports.statistics.comparison import Comparison, compare, compare_scores
from reports.statistics.intervals import spread
from search.racing.elimination import smallest_step
from search.records.confirmation import candidate_name
from search.records.sweep import Sweep
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation

Method = Literal["images", "models", "seeds"]
"""The test of two winners: "images" over seeds and test images, "models" over the test images for one model
each, "seeds" over one score per seed."""

ComparedSplit = Literal["test set", "validation"]


class Side(NamedTuple):
    """One winner of a pair, with its results in the metric's unit."""

    name: str
    """ "trial 12", or "default"."""
    seeds: int
    """Number of results, one per seed."""
    mean: float
    """Over the seeds."""
    deviation: float | None
    """Standard deviation over the seeds; None for one seed."""


@dataclass(frozen=True)
class Basis:
    """Results of two winners that can be compared."""

    on: ComparedSplit
    """The split they were evaluated on."""
    by: Metric
    """The metric of the results."""
    sides: tuple[Side, Side]
    """The results in summary."""
    scores: tuple[Sequence[float], Sequence[float]]
    """The results themselves: at least one per winner, one per seed, in the metric's unit."""
    bits: tuple[Bools, Bools] | None
    """Which examples each winner's models get right, bool [seeds, N]; None if not recorded."""

    @property
    def method(self) -> Method:
        """The test that `compare` uses."""
        if self.bits is None:
            return "seeds"
        return "models" if all(len(bits) == 1 for bits in self.bits) else "images"

    def compare(self, level: float) -> Comparison:
        """Test the first winner against the second at this significance level, 0..1."""
        if self.bits is not None:
            return compare(*self.bits, level)
        sides = [np.asarray(scores, dtype=np.float64) for scores in self.scores]
        # An accuracy has discrete values, so equal scores of two seeds do not mean that their spread is 0.
        return compare_scores(*self.scores, level, smallest_step(sides) if self.by.unit == "share" else 0.0)


def basis_of(one: ComparedRun, other: ComparedRun) -> Basis | str:
    """What the two winners can be compared by, or the reason why they cannot be compared."""
    if not same_data(one.sweep, other.sweep):
        return _different_data(one, other)
    tested = _test_results(one, other)
    if isinstance(tested, Basis):
        return tested
    confirmed = _fresh_scores(one, other)
    return confirmed if isinstance(confirmed, Basis) else f"{tested}; {confirmed}"


def _different_data(one: ComparedRun, other: ComparedRun) -> str:
    identities = [data_identity(run.sweep) for run in (one, other)]
    kinds = {kind for kind, _ in identities}
    if kinds == {"sha256"}:
        checksums = " and ".join(f"{checksum[:12]}…" for _, checksum in identities)
        return f"{one.short} and {other.short} saw different data (data_sha256 {checksums})"
    if kinds == {"plan"}:
        return f"{one.short} and {other.short} have different [data] tables or trainables"
    return f"{one.short} and {other.short} are not known to have seen the same data"


def _test_results(one: ComparedRun, other: ComparedRun) -> Basis | str:
    """The winners' results on the test set, or why these cannot be compared."""
    winners = [winner_of(run.sweep) for run in (one, other)]
    sealed = [run.short for run, winner in zip((one, other), winners, strict=True) if winner is None]
    without = [run.short for run in (one, other) if not run.sweep.plan.has_test_split]
    if without:
        return f"there is no test split in {listing(without)}"
    if sealed:
        return f"the test set of {listing(sealed)} is still sealed"
    evaluations = [[look.evaluation for look in winner.looks] for winner in winners if winner is not None]
    metrics = [test_metric(run.sweep, own[0]) for run, own in zip((one, other), evaluations, strict=True)]
    if metrics[0] != metrics[1]:
        return (
            f"on the test set {one.short} was evaluated by {metrics[0].name}, {other.short} by "
            f"{metrics[1].name}"
        )
    if difference := _different_examples(evaluations[0][0], evaluations[1][0]):
        return difference
    by = metrics[0]
    scores = [
        [evaluation.metrics[by.name] for evaluation in own if by.name in evaluation.metrics]
        for own in evaluations
    ]
    if not all(scores):
        return f"a winner has no {by.name} on the test set"
    bits = [correct_bits(own) for own in evaluations] if by.name == "accuracy" else [None, None]
    names = [winner.name for winner in winners if winner is not None]
    both = None
    if bits[0] is not None and bits[1] is not None:
        both = (bits[0], bits[1])
    return Basis("test set", by, _sides(names, scores), (scores[0], scores[1]), both)


def _different_examples(one: Evaluation, other: Evaluation) -> str:
    """How the examples of two evaluations differ; "" if they do not seem to. The same data has the same test
    split, so they differ only if a record does not fit its data."""
    if one.count != other.count:
        return f"the test sets have {one.count:,} and {other.count:,} examples"
    if one.confusion is not None and other.confusion is not None:
        classes = [confusion.sum(axis=1) for confusion in (one.confusion, other.confusion)]
        if not np.array_equal(*classes):
            return "the test sets have different numbers of examples per class"
    return ""


def _fresh_scores(one: ComparedRun, other: ComparedRun) -> Basis | str:
    """The confirmed winners' validation scores with fresh seeds, or why these cannot be compared."""
    if one.sweep.metric != other.sweep.metric:
        words = [f"{run.short} is evaluated by {_metric_words(run.sweep.metric)}" for run in (one, other)]
        return f"on validation {words[0]}, {words[1]}"
    winners = [_confirmed_winner(run.sweep) for run in (one, other)]
    missing = [run for run, winner in zip((one, other), winners, strict=True) if winner is None]
    if missing:
        commands = listing([f"`benchsweep confirm {run_argument(run.sweep)}`" for run in missing])
        return (
            f"no winner of {listing([run.short for run in missing])} was confirmed with fresh seeds "
            f"({commands} {'does' if len(missing) == 1 else 'do'} it)"
        )
    confirmed = [winner for winner in winners if winner is not None]
    sides = _sides([name for name, _ in confirmed], [scores for _, scores in confirmed])
    return Basis("validation", one.sweep.metric, sides, (confirmed[0][1], confirmed[1][1]), None)


def _confirmed_winner(sweep: Sweep) -> tuple[str, list[float]] | None:
    """The name of the confirmation's winner and its scores with fresh seeds; None if there are none."""
    winner = None if sweep.confirmation is None else sweep.confirmation.winner
    return (candidate_name(winner.trial), winner.scores) if winner is not None and winner.scores else None


def _metric_words(metric: Metric) -> str:
    unit = f" in {metric.unit}" if metric.unit else ""
    return f"{metric.name}{unit} ({metric.direction}d)"


def _sides(names: Sequence[str], scores: Sequence[Sequence[float]]) -> tuple[Side, Side]:
    sides = []
    for name, own in zip(names, scores, strict=True):
        mean, deviation, seeds = spread(own)
        sides.append(Side(name, seeds, mean, deviation))
    return sides[0], sides[1]
