"""Views of a study's journal for its sampler and its pruner.

Imports optuna, so it is imported only with the study.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.records.journal import StudyStorage
from search.records.schema import STUDY_NAME
from search.sampling.bounded import set_aside


class PrunerStorage(StudyStorage):
    """The journal without the values that pruners stored in the first `before` trials, and in a strict order
    without the trials on which the judged one must not depend.

    A halving compares the values of trials at its rungs, and another halving had other rungs.
    """

    def __init__(
        self,
        journal: StudyStorage,
        before: int,
        window: int | None = None,
        broken: Callable[[FrozenTrial], bool] | None = None,
    ) -> None:
        """window: how many trials before the judged one the last one is that counts; None if all count.
        broken: whether a trial breaks a bound, so that no other is compared with it; None without bounds."""
        self.__dict__.update(journal.__dict__)  # share the journal and its replay
        self._before = before
        self._window = window
        self._broken = broken
        self.judged = 0
        """Number of the trial that is judged."""

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self.compared(super().get_all_trials(study_id, deepcopy))
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        if self._window is not None:
            last = self.judged - self._window
            trials = [trial for trial in trials if trial.number <= last or trial.number == self.judged]
        if not self._before:
            return trials
        return [self._without_rungs(trial) if trial.number < self._before else trial for trial in trials]

    def compared(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The trials, with those set aside that break a bound."""
        broken = self._broken
        return trials if broken is None else [set_aside(each) if broken(each) else each for each in trials]

    def _without_rungs(self, trial: FrozenTrial) -> FrozenTrial:
        kept = {
            key: value for key, value in trial.system_attrs.items() if not key.startswith("completed_rung")
        }
        if len(kept) == len(trial.system_attrs):
            return trial
        reduced = copy.copy(trial)
        reduced.system_attrs = kept
        return reduced


class _Sampling(BaseStorage):
    """What the storages of a sampler have in common: its trials are given, since the distributions of a
    recorded trial cannot be changed and Optuna does not accept different distributions of one parameter. And
    the trial for which the sampler suggests values exists only here until the study records it."""

    _trials: Sequence[FrozenTrial]
    """Those that the sampler sees."""
    _number: int
    """Of the new trial."""
    trial: FrozenTrial | None = None
    """The trial for which the sampler suggests values; None before it is created."""

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self.trial = FrozenTrial(
            number=self._number,
            trial_id=self._number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(UTC),
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        return self._number

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        trial = self._own(trial_id)
        trial.params = {**trial.params, param_name: distribution.to_external_repr(param_value_internal)}
        trial.distributions = {**trial.distributions, param_name: distribution}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self._own(trial_id)
        trial.system_attrs = {**trial.system_attrs, key: value}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        # A copy, since Optuna's Trial modifies it.
        trial = copy.copy(self._own(trial_id))
        trial.params, trial.distributions = dict(trial.params), dict(trial.distributions)
        return trial

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if states == (TrialState.WAITING,):
            return []  # a study has none: what a user asks for is not in the journal
        trials = [*self._trials] if self.trial is None else [*self._trials, self.trial]
        selected = trials if states is None else [trial for trial in trials if trial.state in states]
        return copy.deepcopy(selected) if deepcopy else selected

    def _own(self, trial_id: int) -> FrozenTrial:
        if self.trial is None or self.trial._trial_id != trial_id:
            raise KeyError(f"only the new trial can be accessed, but got trial {trial_id}")
        return self.trial


class SamplerStorage(_Sampling, JournalStorage):
    """The journal as a sampler sees it."""

    def __init__(self, journal: JournalStorage, trials: Sequence[FrozenTrial], number: int) -> None:
        """trials: those that the sampler sees. number: of the new trial."""
        self.__dict__.update(journal.__dict__)  # share the journal and its replay
        self._trials, self._number = trials, number


class SnapshotStorage(_Sampling, InMemoryStorage):
    """The same without the journal, for a thread that must not read it while another one writes."""

    def __init__(self, direction: str, trials: Sequence[FrozenTrial], number: int) -> None:
        """direction: "minimize" or "maximize"."""
        super().__init__()
        self.create_new_study([StudyDirection[direction.upper()]], STUDY_NAME)
        self._trials, self._number = trials, number
