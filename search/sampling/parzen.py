"""TPE with tens of thousands of trials on record: what Optuna's suggests, in a tenth of its time.

Optuna's passes over all trials in Python for each hyperparameter. Here a table holds what TPE needs of each
trial, and is brought up to date where the record has changed.

Imports optuna, so it is imported only when a sampler is built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions,
    _unique_inverse_2d,
)
from optuna.samplers._tpe.sampler import _get_pruned_trial_score, default_gamma
from optuna.search_space.group_decomposed import _SearchSpaceGroup
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

_MANY = 1000
"""Kernels from which their densities are computed by products of matrices: equal to Optuna's but for
rounding."""
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class TrialTable:
    """What TPE needs of each trial, kept from one draw to the next."""

    def __init__(self) -> None:
        self._distributions: dict[str, BaseDistribution] = {}
        self._trials: list[FrozenTrial] = []
        self.states = np.zeros(0, dtype=np.int8)
        """Of each trial, the value of its `TrialState`."""
        self.numbers = np.zeros(0, dtype=np.int64)
        """Of each trial."""
        self.ranks = np.zeros((0, 2))
        """Of each trial that has ended, by which it is ranked: the second column after the first."""
        self.values = np.zeros((0, 0))
        """Of shape [trials, hyperparameters], in Optuna's internal form; NaN where there is none."""
        self.kinds = np.zeros(0, dtype=np.int64)
        """Of each trial, the position in `sets` of the set of its hyperparameters."""
        self.sets: list[Mapping[str, BaseDistribution]] = []
        """Each set of hyperparameters that occurred, as the distributions of its first trial."""
        self._kinds: dict[tuple[str, ...], int] = {}

    def update(self, trials: Sequence[FrozenTrial], sampler: ManyTrialsTPE, study: Study) -> None:
        """Take in the trials of the study, in order. A trial is never modified, only replaced by another
        object."""
        if sampler.distributions != self._distributions:
            self._distributions, self._trials = dict(sampler.distributions), []
            self.values = np.zeros((len(self.states), len(self._distributions)))
        known = len(self._trials)
        changed = [
            at for at, (old, new) in enumerate(zip(self._trials, trials, strict=False)) if old is not new
        ]
        changed += range(known, len(trials))
        self._reserve(len(trials))
        for at in changed:
            trial = trials[at]
            names = tuple(sorted(trial.distributions))
            if names not in self._kinds:
                self._kinds[names] = len(self.sets)
                self.sets.append(trial.distributions)
            self.kinds[at] = self._kinds[names]
            self.states[at], self.numbers[at] = trial.state.value, trial.number
            self.ranks[at] = _rank(trial, study)
            params = sampler._get_params(trial, study)
            self.values[at] = [
                kind.to_internal_repr(params[name]) if name in params else math.nan
                for name, kind in self._distributions.items()
            ]
        self._trials = list(trials)

    def __len__(self) -> int:
        return len(self._trials)

    def columns(self, names: Sequence[str]) -> list[int]:
        """Those of `values` that hold these hyperparameters."""
        order = list(self._distributions)
        return [order.index(name) for name in names]

    def _reserve(self, count: int) -> None:
        if (more := count - len(self.states)) > 0:
            more = max(more, len(self.states))  # so that growing takes constant time per trial
            self.states = np.concatenate([self.states, np.zeros(more, self.states.dtype)])
            self.kinds = np.concatenate([self.kinds, np.zeros(more, self.kinds.dtype)])
            self.numbers = np.concatenate([self.numbers, np.zeros(more, self.numbers.dtype)])
            self.ranks = np.concatenate([self.ranks, np.zeros((more, 2))])
            self.values = np.concatenate([self.values, np.zeros((more, self.values.shape[1]))])


def _rank(trial: FrozenTrial, study: Study) -> tuple[float, float]:
    if trial.state is TrialState.COMPLETE:
        sign = 1 if study.direction.name == "MINIMIZE" else -1
        assert trial.value is not None
        return 0.0, sign * trial.value
    return _get_pruned_trial_score(trial, study) if trial.state is TrialState.PRUNED else (0.0, 0.0)


class ManyTrialsTPE(TPESampler):
    """TPESampler for one objective without constraints."""

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], table: TrialTable, **arguments: Any
    ) -> None:
        """distributions: of all hyperparameters that a trial may have. table: that of the last draw, which is
        brought up to date."""
        super().__init__(**arguments)
        self.distributions = distributions
        self._table = table
        self._drawn: int | None = None
        self._parzen_estimator_cls = _LargeParzenEstimator

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As Optuna's. A set of hyperparameters divides the groups the first time only."""
        if not self._group:
            return super().infer_relative_search_space(study, trial)
        table = self._updated(study, trial)
        ended = np.isin(table.states[: len(table)], [state.value for state in _ENDED])
        kinds, first = np.unique(table.kinds[: len(table)][ended], return_index=True)
        group = _SearchSpaceGroup()
        for kind in kinds[np.argsort(first)]:
            group.add_distributions(dict(table.sets[kind]))
        self._search_space_group = group
        return {
            name: distribution
            for space in group.search_spaces
            for name, distribution in sorted(space.items())
            if not distribution.single()
        }

    def _updated(self, study: Study, trial: FrozenTrial) -> TrialTable:
        """The table with all trials before this one, which do not change while it is drawn."""
        if self._drawn != trial.number:
            self._drawn = trial.number
            self._table.update(study._get_trials(deepcopy=False), self, study)
        return self._table

    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        table = self._updated(study, trial)
        states, numbers, ranks = (part[: len(table)] for part in (table.states, table.numbers, table.ranks))
        complete = np.flatnonzero(states == TrialState.COMPLETE.value)
        pruned = np.flatnonzero(states == TrialState.PRUNED.value)
        running = np.flatnonzero((states == TrialState.RUNNING.value) & bool(self._constant_liar))
        if self._constant_liar:
            complete, pruned, running = (
                rows[numbers[rows] != trial.number] for rows in (complete, pruned, running)
            )
        below_count = (self._gamma or default_gamma)(len(complete) + len(pruned))
        ranked = np.concatenate([rows[np.lexsort(ranks[rows].T[::-1])] for rows in (complete, pruned)])
        below, above = ranked[:below_count], np.concatenate([ranked[below_count:], running])
        estimators = [self._estimator(rows, numbers, search_space) for rows in (below, above)]
        samples = estimators[0].sample(self._rng.rng, self._n_ei_candidates)
        chosen = TPESampler._compare(samples, self._compute_acquisition_func(samples, *estimators))
        return {name: kind.to_external_repr(chosen[name]) for name, kind in search_space.items()}

    def _estimator(
        self, rows: np.ndarray, numbers: np.ndarray, space: dict[str, BaseDistribution]
    ) -> _ParzenEstimator:
        """The density of the trials in these rows of the table. A trial weighs by its position."""
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        values = self._table.values[rows][:, self._table.columns(list(space))]
        values = values[~np.isnan(values).any(axis=1)]
        observations = {name: values[:, at] for at, name in enumerate(space)}
        return self._parzen_estimator_cls(observations, space, self._parzen_estimator_parameters)


class _LargeParzenEstimator(_ParzenEstimator):
    """Optuna's, with another way to the density where there are many kernels."""

    def log_pdf(self, samples_dict: dict[str, np.ndarray]) -> np.ndarray:
        mixture = self._mixture_distribution
        if len(mixture.weights) <= _MANY:
            return super().log_pdf(samples_dict)
        samples = self._transform(samples_dict)
        # A sum of products of what depends on the sample and what depends on the kernel: one product.
        of_sample: list[np.ndarray] = [np.ones(len(samples))]
        of_kernel: list[np.ndarray] = [np.log(mixture.weights)]
        out_of_range = np.zeros(len(samples), dtype=bool)
        masses = []
        for x, kernels in zip(samples.T, mixture.distributions, strict=True):
            if isinstance(kernels, _BatchedCategoricalDistributions):
                of_sample += [*(x == np.arange(kernels.weights.shape[1])[:, None]).astype(float)]
                of_kernel += [*np.log(kernels.weights).T]
                continue
            low, high, mu, sigma = kernels.adapted_low, kernels.adapted_high, kernels.mu, kernels.sigma
            inside = ndtr((high - mu) / sigma) - ndtr((low - mu) / sigma)
            of_kernel[0] = of_kernel[0] - np.log(inside)
            if kernels.step:
                masses.append(_log_masses(x, kernels))
                continue
            at, centre, precision = np.log(x) if kernels.is_log else x, (low + high) / 2, sigma**-2
            out_of_range |= (at < low) | (at > high)
            of_sample += [-0.5 * (at - centre) ** 2, at - centre]
            of_kernel += [precision, precision * (mu - centre)]
            of_kernel[0] = of_kernel[0] - (
                0.5 * precision * (mu - centre) ** 2 + np.log(sigma) + 0.5 * math.log(2 * math.pi)
            )
        log_density = np.stack(of_sample, axis=1) @ np.stack(of_kernel)
        for mass in masses:
            log_density += mass
        largest = log_density.max(axis=1)
        log_density -= largest[:, None]
        total = np.log(np.exp(log_density, out=log_density).sum(axis=1)) + largest
        return np.where(out_of_range, -np.inf, total)


def _log_masses(x: np.ndarray, kernels: Any) -> np.ndarray:
    """The log of each kernel's mass around each value of a stepped range, of shape [values, kernels]."""
    values, value_of = np.unique(x, return_inverse=True)
    mu, sigma, kernel_of = _unique_inverse_2d(kernels.mu, kernels.sigma)
    ends = np.stack([values - kernels.step / 2, values + kernels.step / 2])
    left, right = ((np.log(end) if kernels.is_log else end)[:, None] for end in ends)
    left, right = (left - mu) / sigma, (right - mu) / sigma
    # In the left tail, where the difference is exact; a kernel too far away for a float does not matter.
    flipped = left > 0
    left, right = np.where(flipped, -right, left), np.where(flipped, -left, right)
    masses = np.log(np.maximum(ndtr(right) - ndtr(left), np.finfo(float).tiny))
    return np.asarray(masses[np.ix_(value_of, kernel_of)])
