"""The Optuna study in a journal, as it is at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial

from search.records import schema
from search.records.journal import StudyStorage
from search.records.typed import typed
from trainable.contract import Metric


@dataclass(frozen=True)
class StoredStudy:
    """What a journal says of its study; nothing where there is none yet."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Its user attributes, as `search.records.schema` lists them."""
    trials: tuple[FrozenTrial, ...] = ()
    """Its trials, in the order of their creation."""
    system_attributes: Mapping[str, Any] = field(default_factory=dict)
    """What Optuna itself noted on it."""

    @classmethod
    def read(cls, journal: Path | JournalStorage) -> StoredStudy:
        """The study in the file, or in one that is open already, of which only new lines are read.
        Raises JournalDamaged, NotARecord, TypeError for values that are no numbers, and whatever Optuna
        raises for lines that are not its own."""
        if isinstance(journal, Path) and not (journal.exists() or journal.is_symlink()):
            return cls()
        storage = StudyStorage(journal) if isinstance(journal, Path) else journal
        for study in storage.get_all_studies():
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            for trial in trials:
                _check_values(trial)
            return cls(dict(study.user_attrs), tuple(trials), dict(study.system_attrs))
        return cls()

    @property
    def metric(self) -> Metric:
        """What its trials are judged by."""
        stored = self.attributes.get(schema.METRIC, {"name": "score", "direction": "maximize"})
        return typed(Metric(**stored))


def _check_values(trial: FrozenTrial) -> None:
    """Raises TypeError unless a trial that has values has numbers, at least one: Optuna does not check."""
    values = trial.values
    if values is not None and not (values and all(isinstance(value, int | float) for value in values)):
        raise TypeError(f"the values of trial {trial.number} must be numbers, but are {values!r:.80}")
