"""Optuna's samplers that assume what a search here does not grant: a space whose settings are
all asked in every trial, or a loop of Optuna's own. Loads optuna, so imported when one is built."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, GPSampler, GridSampler, QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class AlwaysAskedGP(GPSampler):
    """Models the settings that every trial is asked, and leaves the others to its independent
    sampler. Optuna goes by the settings common to the trials so far, which shrink as these come."""

    def __init__(self, always: Collection[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._always = always

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        common = super().infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in common.items() if name in self._always}


class AlwaysAskedCmaEs(CmaEsSampler):
    """The same for CMA-ES, which draws at random for good once the number of settings changed."""

    def __init__(self, always: Collection[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._always = always

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        common = super().infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in common.items() if name in self._always}


class WholeSpaceQMC(QMCSampler):
    """Draws a coordinate for every setting from the first trial on, asked or not, so that a trial
    that asks fewer leaves the sequence as even as it was. Optuna goes by the first trial's."""

    def __init__(self, space: Mapping[str, BaseDistribution], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._space = {name: held for name, held in space.items() if not held.single()}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space


class EndlessGrid(GridSampler):
    """A grid that does not stop the study after its last point: only Optuna's own loop can be
    stopped, and a trial told outside of it would raise."""

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        pass
