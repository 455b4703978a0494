"""A study as its sampler sees it while it draws a trial. Loads optuna, so imported with the study."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

Seen = Callable[[list[FrozenTrial]], list[FrozenTrial]]


class PrunerStorage(JournalStorage):
    """The journal without what pruners noted in the first `before` trials: a halving compares trials that
    stood at its rungs, and those of another halving lay elsewhere."""

    def __init__(self, journal: JournalStorage, before: int) -> None:
        self.__dict__.update(journal.__dict__)  # the same journal, and the same replay of it
        self._before = before

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy, states)
        if not self._before:
            return trials
        return [self._bare(trial) if trial.number < self._before else trial for trial in trials]

    def _bare(self, trial: FrozenTrial) -> FrozenTrial:
        kept = {
            key: value for key, value in trial.system_attrs.items() if not key.startswith("completed_rung")
        }
        if len(kept) == len(trial.system_attrs):
            return trial
        bare = copy.copy(trial)
        bare.system_attrs = kept
        return bare


class SamplerStorage(JournalStorage):
    """The journal, but for two things. Earlier trials are shown as `seen` gives them: a journal
    cannot change under which distributions a trial was drawn, and Optuna refuses to mix them. And
    the trial that is being drawn is nowhere but here, until the study records it as a whole.
    """

    def __init__(self, journal: JournalStorage, seen: Seen) -> None:
        self.__dict__.update(journal.__dict__)  # the same journal, and the same replay of it
        self._journal = journal
        self._seen = seen
        self.drawn: FrozenTrial | None = None

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        number = len(self._journal.get_all_trials(study_id, deepcopy=False))
        self.drawn = FrozenTrial(
            number=number,
            trial_id=number,
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
        return number

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        drawn = self._drawn(trial_id)
        drawn.params = {**drawn.params, param_name: distribution.to_external_repr(param_value_internal)}
        drawn.distributions = {**drawn.distributions, param_name: distribution}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        drawn = self._drawn(trial_id)
        drawn.system_attrs = {**drawn.system_attrs, key: value}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        # A copy: Optuna's Trial changes what it is given.
        drawn = copy.copy(self._drawn(trial_id))
        drawn.params, drawn.distributions = dict(drawn.params), dict(drawn.distributions)
        return drawn

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self._seen(self._journal.get_all_trials(study_id, deepcopy=False))
        if self.drawn is not None:
            trials = [*trials, self.drawn]
        chosen = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def _drawn(self, trial_id: int) -> FrozenTrial:
        if self.drawn is None or self.drawn._trial_id != trial_id:
            raise KeyError(f"only the trial that is being drawn may be touched, but trial {trial_id} was")
        return self.drawn
