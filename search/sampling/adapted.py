"""Optuna's samplers, adapted to conditional spaces and to a loop that is not Optuna's.

Imports optuna, so it is imported only when a sampler is built.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, GPSampler, GridSampler, QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class UnconditionalGP(GPSampler):
    """GPSampler for the unconditional hyperparameters; the others are left to its independent sampler.

    Optuna uses the hyperparameters that all trials so far have in common, which become fewer over time.
    """

    def __init__(self, names: Collection[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._names = names

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        common = super().infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in common.items() if name in self._names}


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
