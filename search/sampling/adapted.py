"""Optuna's samplers and pruners, adapted to conditional spaces and to a loop that is not Optuna's.

Imports optuna, so it is imported only when a sampler is built.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner
from optuna.samplers import CmaEsSampler, GPSampler, GridSampler, QMCSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

_MAX_VALUES = 10_000
"""A range with more values than this is continuous to the Gaussian process."""


class UnconditionalGP(GPSampler):
    """GPSampler for the unconditional hyperparameters; the others are left to its independent sampler.

    Optuna uses the hyperparameters that all trials so far have in common, which become fewer over time. It
    also lists every value of a range of integers or steps, in memory: here a wide one is continuous, and what
    is sampled is rounded to a value of the range.
    """

    def __init__(self, names: Collection[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._names = names

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        common = super().infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in common.items() if name in self._names}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        wide = {
            name: distribution
            for name, distribution in search_space.items()
            if isinstance(distribution, IntDistribution | FloatDistribution) and _is_wide(distribution)
        }
        relaxed = {name: FloatDistribution(span.low, span.high, log=span.log) for name, span in wide.items()}
        sampled = super().sample_relative(study, trial, {**search_space, **relaxed})
        return {
            name: _rounded(value, wide[name]) if name in wide else value for name, value in sampled.items()
        }


def _is_wide(distribution: IntDistribution | FloatDistribution) -> bool:
    """Whether the range has steps, and too many of them to list."""
    low, high, step = distribution.low, distribution.high, distribution.step
    return step is not None and (high - low) / step >= _MAX_VALUES


def _rounded(value: float, distribution: IntDistribution | FloatDistribution) -> float:
    """The value of the distribution that is nearest to a number."""
    low, high, step = distribution.low, distribution.high, distribution.step
    assert step is not None
    steps = round((value - low) / step)
    return min(max(low + steps * step, low), high)


class UnconditionalCmaEs(CmaEsSampler):
    """CmaEsSampler for the unconditional hyperparameters; the others are left to its independent sampler.

    Optuna's samples at random for the rest of the search once the number of common hyperparameters changes.
    """

    def __init__(self, names: Collection[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._names = names

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        common = super().infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in common.items() if name in self._names}


class FullSpaceQMC(QMCSampler):
    """QMCSampler with a coordinate for every hyperparameter, conditional or not, so that a trial without some
    of them leaves the sequence evenly distributed. Optuna uses the hyperparameters of the first trial."""

    def __init__(self, space: Mapping[str, BaseDistribution], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._space = {
            name: distribution for name, distribution in space.items() if not distribution.single()
        }

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space


class NonStoppingGrid(GridSampler):
    """GridSampler that does not stop the study after its last point: outside of Optuna's own loop, stopping
    raises."""

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        pass


class ExactHyperband(HyperbandPruner):
    """HyperbandPruner with floor(log(max_resource / min_resource)) + 1 brackets, to the base of the reduction
    factor. Optuna's has one bracket fewer where that logarithm is a whole number and its floating-point value
    is just below, as for 243 epochs and factor 3."""

    def __init__(
        self, min_resource: int, max_resource: int, reduction_factor: int, bootstrap_count: int
    ) -> None:
        super().__init__(min_resource, max_resource, reduction_factor, bootstrap_count)
        self._n_brackets = bracket_count(min_resource, max_resource, reduction_factor)


def bracket_count(min_resource: int, max_resource: int, reduction_factor: int) -> int:
    """Number of brackets of a hyperband: the rungs min_resource * reduction_factor**k up to max_resource."""
    count, rung = 1, min_resource * reduction_factor
    while rung <= max_resource:
        count, rung = count + 1, rung * reduction_factor
    return count


class Plateau(BasePruner):
    """Prunes a trial whose best value of the last `patience` + 1 epochs does not exceed that of the epochs
    before by more than `min_delta`, if `wrapped` agrees. Optuna's PatientPruner prunes only a trial that got
    worse, so never one that stays flat."""

    def __init__(
        self, wrapped: BasePruner | None, patience: int, min_delta: float, n_warmup_steps: int
    ) -> None:
        self._wrapped = wrapped
        self._patience = patience
        self._min_delta = min_delta
        self._warmup = n_warmup_steps

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        steps = sorted(trial.intermediate_values)
        before, recent = steps[: -self._patience - 1], steps[-self._patience - 1 :]
        if not before or steps[-1] < self._warmup:
            return False
        sign = 1 if study.direction is StudyDirection.MAXIMIZE else -1
        values = trial.intermediate_values
        gain = max(sign * values[step] for step in recent) - max(sign * values[step] for step in before)
        if gain > self._min_delta:
            return False
        return self._wrapped is None or self._wrapped.prune(study, trial)
