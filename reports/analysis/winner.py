"""The winner of a search, and its results on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.statistics.arrays import Bools
from reports.statistics.intervals import Interval, mean_interval, spread, wilson
from search.records.confirmation import Candidate, candidate_name
from search.records.opening import TestLook, TestSetOpening
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class TestAccuracy:
    """One recipe's accuracy on the test set."""

    share: float
    """Mean over the seeds, 0..1."""
    count: int
    """Number of test examples."""
    interval: Interval
    """95 %, of the share: over seeds and examples, or Wilson's for one seed."""
    seeds: int
    """Number of models, one per seed."""
    deviation: float | None
    """Standard deviation over the seeds; None for one seed."""


@dataclass(frozen=True)
class Winner:
    """The recipe that a search chose, and its results on the test set."""

    trial: int | None
    """None if the plan's default recipe won."""
    recipe: Mapping[str, Any]
    """Complete, with the seed it had in the search."""
    looks: tuple[TestLook, ...]
    """The test results of its models, one per seed, in the seeds' order."""
    model: TestLook
    """Those of the saved model, which is the best one on validation."""
    opening: TestSetOpening
    """The opening of the test set in which it was evaluated."""

    @property
    def name(self) -> str:
        """ "trial 12", or "default"."""
        return candidate_name(self.trial)

    @property
    def parameters(self) -> int | None:
        """Learned parameters of its model; None if unknown."""
        return self.model.parameters

    @property
    def evaluation(self) -> Evaluation:
        """The test results of the saved model."""
        return self.model.evaluation

    @property
    def test_accuracy(self) -> TestAccuracy | None:
        """Its accuracy over all seeds, or None if its evaluations have none."""
        return test_accuracy(*(look.evaluation for look in self.looks))

    @property
    def metrics(self) -> dict[str, float]:
        """The test metrics, each averaged over the seeds."""
        metrics = [look.evaluation.metrics for look in self.looks]
        names = [name for name in metrics[0] if all(name in own for own in metrics)]
        return {name: spread([own[name] for own in metrics]).mean for name in names}


def winner_of(sweep: Sweep) -> Winner | None:
    """The recipe chosen by the confirmation, or the best trial without one; None before the test set was
    opened.

    If that recipe was not evaluated yet, it is the winner at the latest opening, which is always evaluated
    first. Test scores never choose anything: that is why the test set is sealed.
    """
    openings = [opening for opening in sweep.openings if opening.looks and opening.complete]
    if not openings:
        return None
    chosen = chosen_trial(sweep)
    of_chosen = [
        opening
        for opening in openings
        if chosen is not None and any(look.trial == chosen[0] for look in opening.looks)
    ]
    opening = (of_chosen or openings)[-1]
    trial = chosen[0] if chosen and of_chosen else opening.looks[0].trial
    looks = tuple(look for look in opening.looks if look.trial == trial)
    candidate = _candidate(sweep, trial)
    return Winner(trial, _recipe(sweep, trial, candidate), looks, _kept(sweep, looks, candidate), opening)


def chosen_trial(sweep: Sweep) -> tuple[int | None] | None:
    """The trial chosen on validation: (its number,), or (None,) for the plan's default recipe. None if
    nothing is chosen yet."""
    if sweep.confirmation is not None:
        winner = sweep.confirmation.winner
        return None if winner is None else (winner.trial,)
    best = sweep.best()
    return None if best is None else (best.number,)


def test_accuracy(*evaluations: Evaluation) -> TestAccuracy | None:
    """The accuracy of a recipe's models, one evaluation per seed; None if there are none, or if one has no
    "accuracy" that is a share of its examples."""
    if not evaluations or any(
        own.count < 1 or not 0 <= own.metrics.get("accuracy", -1.0) <= 1 for own in evaluations
    ):
        return None
    count = evaluations[0].count
    mean, deviation, seeds = spread([own.metrics["accuracy"] for own in evaluations])
    bits = correct_bits(evaluations)
    interval = wilson(round(mean * count), count) if bits is None else mean_interval(bits)
    return TestAccuracy(mean, count, interval, seeds, deviation)


def correct_bits(evaluations: Sequence[Evaluation]) -> Bools | None:
    """Which examples each model got right, bool [seeds, N]; None if one evaluation does not record it, if
    their numbers of examples differ, or if "accuracy" is not the share of right ones."""
    recorded = [own.correct for own in evaluations if own.correct is not None and own.count]
    if not recorded or len(recorded) < len(evaluations) or len({bits.shape for bits in recorded}) != 1:
        return None
    bits = np.stack(recorded)
    accuracies = [own.metrics.get("accuracy", -1.0) for own in evaluations]
    return bits if np.allclose(bits.mean(axis=1), accuracies, atol=0.5 / bits.shape[1]) else None


def _candidate(sweep: Sweep, trial: int | None) -> Candidate | None:
    candidates = () if sweep.confirmation is None else sweep.confirmation.candidates
    return next((candidate for candidate in candidates if candidate.trial == trial), None)


def _recipe(sweep: Sweep, trial: int | None, candidate: Candidate | None) -> Mapping[str, Any]:
    if candidate is not None:
        return candidate.recipe
    if trial is not None:
        return next((own.recipe for own in sweep.trials if own.number == trial), {})
    return sweep.plan.recipe


def unopened(sweep: Sweep) -> str:
    """Why there is no result on the test set, as half a sentence."""
    return "the test set is still sealed" if sweep.plan.has_test_split else "there is no test split"


def _kept(sweep: Sweep, looks: tuple[TestLook, ...], candidate: Candidate | None) -> TestLook:
    """The test results of the saved model, the best one on validation (see `search.test_set`); the first
    without a confirmation."""
    reruns = () if candidate is None else candidate.complete
    scores = {rerun.recipe["seed"]: rerun.score or 0.0 for rerun in reruns}
    sign = sweep.metric.sign
    worst = -float("inf")
    return max(looks, key=lambda look: sign * scores[look.seed] if look.seed in scores else worst)


def test_figure(sweep: Sweep, name: str, value: float) -> str:
    """A test metric as text: as the search's metric if it is the same one, an accuracy in percent."""
    if name == sweep.metric.name:
        return sweep.metric.format(value)
    return f"{100 * value:.2f} %" if name == "accuracy" else f"{value:.4g}"
