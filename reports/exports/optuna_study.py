"""A run's study as a file of Optuna's SQLite storage, for `optuna.load_study` and optuna-dashboard.

Imports Optuna and SQLAlchemy, so it is imported only when needed.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.records.folder import RunFolder
from search.records.lock import owner_of
from search.records.stored_study import StoredStudy
from search.records.trial import reading, state_of
from trainable.contract import Metric
from trainable.errors import BenchsweepError

STATE = "state"
"""The user attribute with a trial's `State`: Optuna has no equivalent of DIVERGED and INTERRUPTED."""

_COMPARED = (
    *("state", "values", "params", "distributions", "intermediate_values", "user_attrs", "system_attrs"),
    *("datetime_start", "datetime_complete"),
)
"""Fields of a trial that are read back and compared."""

Rows = dict[sqlalchemy.Table, list[dict[str, Any]]]
"""The rows of each table."""


class CopyDiffers(BenchsweepError, RuntimeError):
    """Optuna reads something else from the copy than from the journal; the message says what differs."""


def copy_study(run: RunFolder, name: str, metric: Metric) -> bytes:
    """The run's study as an SQLite file of Optuna's RDB storage.

    Trials keep the journal's numbers, states (DIVERGED ones are PRUNED in Optuna, and those that can be
    resumed are RUNNING), parameters, distributions, values, intermediate values, attributes and times. Each
    gets the user attribute "state", a `search.records.trial.State`, and the study gets the metric's name for
    Optuna's plots.

    name: of the study. metric: the metric if there is no journal yet. The file is read back and compared
    before it is returned. Raises CopyDiffers, RunDamaged, JournalDamaged.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    alive = owner_of(run.owned / run.lock.name) is not None
    with reading(run.journal):
        snapshot = _StudySnapshot.read(run, metric, alive)
    with tempfile.TemporaryDirectory(prefix="benchsweep-") as folder:
        path = Path(folder) / "study.db"
        storage = RDBStorage(f"sqlite:///{path}")
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction=snapshot.direction)
            _insert(storage, snapshot.rows(study._study_id))
            _compare(storage, study._study_id, snapshot)
        finally:
            storage.remove_session()
            storage.engine.dispose()
        return path.read_bytes()


class _StudySnapshot:
    """The study in the journal at one moment."""

    def __init__(
        self,
        direction: StudyDirection,
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
        trials: Sequence[FrozenTrial],
    ) -> None:
        self.direction = direction
        self.user_attrs = dict(user_attrs)
        self.system_attrs = dict(system_attrs)
        self.trials = list(trials)

    @classmethod
    def read(cls, run: RunFolder, metric: Metric, alive: bool) -> _StudySnapshot:
        study = StoredStudy.read(run.journal)
        metric = study.metric if study.attributes else metric
        return cls(
            StudyDirection[metric.direction.upper()],
            study.attributes,
            {**_named(metric.name), **study.system_attributes},
            [_with_state(trial, alive) for trial in study.trials],
        )

    def rows(self, study: int) -> Rows:
        """The rows of every table. study: its id. Optuna's own API needs a transaction per trial and rejects
        hyperparameters whose choices were changed by `extend`."""
        rows: Rows = defaultdict(list)
        for model, attrs in (
            (models.StudyUserAttributeModel, self.user_attrs),
            (models.StudySystemAttributeModel, self.system_attrs),
        ):
            rows[_table(model)] += [{"study_id": study, **row} for row in _attributes(attrs)]
        for trial in self.trials:
            # Ids count from 1 in this storage, numbers from 0.
            rows[_table(models.TrialModel)].append(_trial(trial, study))
            for model, parts in _parts(trial):
                rows[_table(model)] += [{"trial_id": trial.number + 1, **row} for row in parts]
        return rows


def _named(metric: str) -> dict[str, list[str]]:
    # What `Study.set_metric_names` writes.
    return {"study:metric_names": [metric]}


def _with_state(trial: FrozenTrial, alive: bool) -> FrozenTrial:
    copied = copy.copy(trial)
    copied.user_attrs = {**trial.user_attrs, STATE: str(state_of(trial, alive))}
    return copied


def _table(model: Any) -> sqlalchemy.Table:
    table: sqlalchemy.Table = model.__table__
    return table


def _trial(trial: FrozenTrial, study: int) -> dict[str, Any]:
    # The model converts the times to the time zone they are stored in.
    row = models.TrialModel(datetime_start=trial.datetime_start, datetime_complete=trial.datetime_complete)
    return {
        "trial_id": trial.number + 1,
        "number": trial.number,
        "study_id": study,
        "state": trial.state,
        "datetime_start": row._datetime_start_utc,
        "datetime_complete": row._datetime_complete_utc,
    }


def _parts(trial: FrozenTrial) -> list[tuple[Any, list[dict[str, Any]]]]:
    """The rows that belong to a trial, with the models of their tables."""
    final, steps = models.TrialValueModel, models.TrialIntermediateValueModel
    params = [
        {
            "param_name": name,
            "param_value": trial.distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(trial.distributions[name]),
        }
        for name, value in trial.params.items()
    ]
    values = []
    for objective, value in enumerate(trial.values or ()):
        stored, kind = final.value_to_stored_repr(value)
        values.append({"objective": objective, "value": stored, "value_type": kind})
    reports = []
    for step, value in trial.intermediate_values.items():
        stored, sort = steps.intermediate_value_to_stored_repr(value)
        reports.append({"step": step, "intermediate_value": stored, "intermediate_value_type": sort})
    return [
        (models.TrialParamModel, params),
        (final, values),
        (steps, reports),
        (models.TrialUserAttributeModel, _attributes(trial.user_attrs)),
        (models.TrialSystemAttributeModel, _attributes(trial.system_attrs)),
    ]


def _attributes(attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]


def _insert(storage: RDBStorage, rows: Rows) -> None:
    with storage.engine.begin() as connection:
        for table, own in rows.items():
            if own:
                connection.execute(table.insert(), own)


def _compare(storage: RDBStorage, study: int, snapshot: _StudySnapshot) -> None:
    """Raises CopyDiffers if Optuna reads something else from the storage."""
    copied = storage.get_all_trials(study, deepcopy=False)
    for what, expected, actual in (
        ("user attributes", snapshot.user_attrs, storage.get_study_user_attrs(study)),
        ("system attributes", snapshot.system_attrs, storage.get_study_system_attrs(study)),
        ("trials", [trial.number for trial in snapshot.trials], [trial.number for trial in copied]),
    ):
        if expected != actual:
            raise _differs(what)
    for trial, copy_of_it in zip(snapshot.trials, copied, strict=True):
        for part in _COMPARED:
            if getattr(trial, part) != getattr(copy_of_it, part):
                raise _differs(f"{part} of trial {trial.number}")


def _differs(what: str) -> CopyDiffers:
    return CopyDiffers(
        f"Optuna must read the same study from the copy as from the journal, but the {what} differ; nothing "
        f"was written"
    )
