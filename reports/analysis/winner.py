"""Who won, and what that one did on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.statistics.intervals import Interval, mean_interval, spread, wilson
from search.records.confirmation import Candidate, candidate_name
from search.records.opening import TestLook, TestSetOpening
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class TestAccuracy:
    """An accuracy on the test set, of one recipe.

    share: 0..1, the mean over its seeds. count: examples. interval: 95 %, of the share; it is over seeds
    and examples where there are several seeds, and Wilson's for one. deviation: over seeds; None for one.
    """

    share: float
    count: int
    interval: Interval
    seeds: int
    deviation: float | None


@dataclass(frozen=True)
class Winner:
    """The one that a search is for, as the test set saw it.

    trial: of the search; None where the plan's default recipe won. recipe: whole, with the seed it had in
    the search. looks: at its models, one a seed, in the seeds' order. model: the look at the one that is
    kept, which is the best of them on validation. opening: the one in which it was seen.
    """

    trial: int | None
    recipe: Mapping[str, Any]
    looks: tuple[TestLook, ...]
    model: TestLook
    opening: TestSetOpening

    @property
    def name(self) -> str:
        """ "trial 12", or "default"."""
        return candidate_name(self.trial)

    @property
    def parameters(self) -> int | None:
        """How many numbers its model learned; None where that is not known."""
        return self.model.parameters

    @property
    def evaluation(self) -> Evaluation:
        """Of the model that is kept."""
        return self.model.evaluation

    @property
    def test_accuracy(self) -> TestAccuracy | None:
        """Its accuracy over all seeds; None where its evaluations have none."""
        return test_accuracy(*(look.evaluation for look in self.looks))

    @property
    def metrics(self) -> dict[str, float]:
        """The test figures, each the mean over the seeds."""
        held = [look.evaluation.metrics for look in self.looks]
        names = [name for name in held[0] if all(name in each for each in held)]
        return {name: sum(each[name] for each in held) / len(held) for name in names}


def winner_of(sweep: Sweep) -> Winner | None:
    """Whom the search's confirmation chose, or without a confirmation its best trial; None before the
    test set was opened.

    Where that one has not been looked at yet, it is whom the latest opening was for: an opening's first
    look is at the winner of its time. Nothing is ever chosen by a test figure, because that is what the
    test set is sealed against.
    """
    seen = [opening for opening in sweep.openings if opening.looks]
    if not seen:
        return None
    chosen = chosen_trial(sweep)
    of_chosen = [each for each in seen if chosen and chosen[0] in [look.trial for look in each.looks]]
    opening = (of_chosen or seen)[-1]
    trial = chosen[0] if chosen and of_chosen else opening.looks[0].trial
    looks = tuple(look for look in opening.looks if look.trial == trial)
    candidate = _candidate(sweep, trial)
    return Winner(trial, _recipe(sweep, trial, candidate), looks, _kept(sweep, looks, candidate), opening)


def chosen_trial(sweep: Sweep) -> tuple[int | None] | None:
    """The trial that was chosen, by validation alone: (its number,), or (None,) for the plan's default
    recipe. None while nothing is chosen."""
    if sweep.confirmation is not None:
        winner = sweep.confirmation.winner
        return None if winner is None else (winner.trial,)
    best = sweep.best()
    return None if best is None else (best.number,)


def test_accuracy(*evaluations: Evaluation) -> TestAccuracy | None:
    """The accuracy of a recipe's models, one evaluation a seed; None where there are none, or where one
    has no "accuracy" that is a share of its examples."""
    if not evaluations or any(
        each.count < 1 or not 0 <= each.metrics.get("accuracy", -1.0) <= 1 for each in evaluations
    ):
        return None
    count = evaluations[0].count
    told = spread([each.metrics["accuracy"] for each in evaluations])
    bits = correct_bits(evaluations)
    interval = wilson(round(told.mean * count), count) if bits is None else mean_interval(bits)
    return TestAccuracy(told.mean, count, interval, told.runs, told.deviation)


def correct_bits(evaluations: Sequence[Evaluation]) -> NDArray[np.bool_] | None:
    """Which examples each model got right, bool [seeds, N]; None where one does not tell, where they saw
    different numbers of examples, or where "accuracy" is another figure than their share."""
    held = [each.correct for each in evaluations if each.correct is not None and each.count]
    if not held or len(held) < len(evaluations) or len({bits.shape for bits in held}) != 1:
        return None
    bits = np.stack(held)
    shares = bits.mean(axis=1)
    told = [each.metrics.get("accuracy", -1.0) for each in evaluations]
    return bits if np.allclose(shares, told, atol=0.5 / bits.shape[1]) else None


def _candidate(sweep: Sweep, trial: int | None) -> Candidate | None:
    held = () if sweep.confirmation is None else sweep.confirmation.candidates
    return next((candidate for candidate in held if candidate.trial == trial), None)


def _recipe(sweep: Sweep, trial: int | None, candidate: Candidate | None) -> Mapping[str, Any]:
    if candidate is not None:
        return candidate.recipe
    if trial is not None:
        return next((each.recipe for each in sweep.trials if each.number == trial), {})
    return sweep.plan.recipe


def _kept(sweep: Sweep, looks: tuple[TestLook, ...], candidate: Candidate | None) -> TestLook:
    """The look at the model that the run keeps, the best on validation (see `search.test_set`); the first
    where they were not trained again."""
    reruns = () if candidate is None else candidate.complete
    scores = {rerun.recipe["seed"]: rerun.score or 0.0 for rerun in reruns}
    sign = sweep.metric.sign
    worst = -float("inf")
    return max(looks, key=lambda look: sign * scores[look.seed] if look.seed in scores else worst)
