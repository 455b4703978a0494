"""How the finalists of a confirmation did on the test set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reports.analysis.winner import correct_bits, winner_of
from reports.statistics.arrays import Bools
from reports.statistics.bootstrap import best_shares, bootstrap
from reports.statistics.comparison import Comparison, compare, compare_scores
from reports.statistics.intervals import Standing, mean_interval, spread
from reports.statistics.multiplicity import selected
from search.records.confirmation import Confirmation
from search.records.opening import TestLook
from search.records.sweep import Sweep
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation


class FinalistResult(NamedTuple):
    """A finalist on the test set, in the test metric's unit."""

    seeds: int
    """Number of models, one per seed."""
    mean: float
    """Over the seeds."""
    deviation: float | None
    """Standard deviation over the seeds; None for one seed."""
    low: float | None
    """Lower end of the mean's 95 % interval, over seeds and examples; None if examples are not right or
    wrong."""
    high: float | None
    """Upper end."""
    best_share: float | None
    """Share of resamples, 0..1, in which it is the best finalist; None if examples are not right or wrong."""
    gain: Comparison | None
    """The winner's mean minus this one's, at the confirmation's level; None in the winner's own row."""
    p: float | None
    """p-value of no difference, adjusted for all pairs of candidates, any of which might have won; None in
    the winner's own row, and if chance cannot be estimated: then the interval of `gain` is infinite."""
    standing: Standing | None
    """How the winner compares with it; None as for `p`."""


def test_metric(sweep: Sweep, evaluation: Evaluation) -> Metric:
    """The metric finalists are compared by on the test set: the accuracy; without one, the search's own
    metric; without that, the first of the evaluation, with the search's direction."""
    names = list(evaluation.metrics)
    if "accuracy" in names or not names:
        return Metric("accuracy", "maximize", "share")
    if sweep.metric.name in names:
        return sweep.metric
    return Metric(names[0], sweep.metric.direction)


def finalist_looks(sweep: Sweep, confirmation: Confirmation) -> dict[str, list[TestLook]]:
    """The finalists' looks at the test set by name, the winner's first, from the opening that evaluated the
    winner; empty if that is not this confirmation's."""
    winner = winner_of(sweep)
    if winner is None or confirmation.winner is None or confirmation.winner.trial != winner.trial:
        return {}
    looks = {}
    for finalist in confirmation.finalists:
        seeds = {rerun.recipe["seed"] for rerun in finalist.complete}
        looks[finalist.name] = [
            look for look in winner.opening.looks if look.trial == finalist.trial and look.seed in seeds
        ]
    return {name: own for name, own in looks.items() if own} if looks.get(winner.name) else {}


def finalist_results(
    looks: Mapping[str, list[TestLook]], metric: Metric, level: float, candidates: int
) -> dict[str, FinalistResult]:
    """Each finalist's result by name, the winner's first; empty if the winner has no score in this metric.

    looks: by name, the winner's first. level: significance level, 0..1. candidates: number of
    candidates in the confirmation.
    """
    evaluations = {name: [look.evaluation for look in own] for name, own in looks.items()}
    scores = {name: _scores(own, metric) for name, own in evaluations.items()}
    names = [name for name in looks if scores[name]]
    if not names or names[0] != next(iter(looks)):
        return {}
    bits = _bits([evaluations[name] for name in names]) if metric.name == "accuracy" else None
    if bits is None:
        gains = [compare_scores(scores[names[0]], scores[name], level) for name in names[1:]]
    else:
        gains = [compare(bits[0], own, level) for own in bits[1:]]
    p_values = selected([gain.p for gain in gains], candidates)
    best = None if bits is None else best_shares(bootstrap(bits))
    results = {}
    for index, name in enumerate(names):
        mean, deviation, seeds = spread(scores[name])
        interval = None if bits is None else mean_interval(bits[index])
        gain = gains[index - 1] if index else None
        p = p_values[index - 1] if gain is not None and math.isfinite(gain.low) else None
        results[name] = FinalistResult(
            seeds=seeds,
            mean=mean,
            deviation=deviation,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            best_share=None if best is None else float(best[index]),
            gain=gain,
            p=p,
            standing=None if gain is None or p is None else _standing(gain, p, metric),
        )
    return results


def _scores(evaluations: Sequence[Evaluation], metric: Metric) -> list[float]:
    return [own.metrics[metric.name] for own in evaluations if metric.name in own.metrics]


def _bits(evaluations: Sequence[Sequence[Evaluation]]) -> list[Bools] | None:
    """Each finalist's bits, bool [seeds, N], on the same examples; None if one has none."""
    recorded = [bits for own in evaluations if (bits := correct_bits(own)) is not None]
    same_examples = len(recorded) == len(evaluations) and len({bits.shape[1] for bits in recorded}) == 1
    return recorded if same_examples else None


def _standing(gain: Comparison, p: float, metric: Metric) -> Standing:
    if p > gain.level or gain.difference == 0:
        return "tied"
    return "better" if metric.sign * gain.difference > 0 else "worse"
