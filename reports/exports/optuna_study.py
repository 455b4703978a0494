"""A run's study as Optuna's own SQLite file, taken from its journal: for `optuna.load_study` and
optuna-dashboard. Loads optuna and SQLAlchemy, so imported when one is asked for."""

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
"""The user attribute with our word for a trial's state: Optuna has none for DIVERGED and INTERRUPTED."""

_COMPARED = (
    *("state", "values", "params", "distributions", "intermediate_values", "user_attrs", "system_attrs"),
    *("datetime_start", "datetime_complete"),
)
"""What is read back of each trial, and compared."""

Rows = dict[sqlalchemy.Table, list[dict[str, Any]]]


class CopyDiffers(BenchsweepError, RuntimeError):
    """What Optuna reads from the copy is not what the journal holds, so it is not given out; says where."""


def copy_study(run: RunFolder, name: str, metric: Metric) -> bytes:
    """An SQLite file that holds the run's study, and no other, as Optuna's RDB storage keeps one.

    Trials have the journal's numbers, states (DIVERGED ones are PRUNED there, and those that wait to be
    continued RUNNING), parameters, distributions, values, intermediate values, attributes and times. One
    user attribute is added to each: "state", a `search.records.trial.State`; and to the study the metric's
    name, which Optuna's plots write. name: of the study. metric: counts where there is no journal yet.

    It is read back and compared before it is given out. Raises CopyDiffers, RunDamaged, JournalDamaged.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    alive = owner_of(run.owned / run.lock.name) is not None
    with reading(run.journal):
        told = _StudySnapshot.read(run, metric, alive)
    with tempfile.TemporaryDirectory(prefix="benchsweep-") as folder:
        path = Path(folder) / "study.db"
        storage = RDBStorage(f"sqlite:///{path}")
        try:
            study = optuna.create_study(storage=storage, study_name=name, direction=told.direction)
            _insert(storage, told.rows(study._study_id))
            _compare(storage, study._study_id, told)
        finally:
            storage.remove_session()
            storage.engine.dispose()
        return path.read_bytes()


class _StudySnapshot:
    """What the journal says of its study, at one moment."""

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
        """The rows of every table, under the study of that id. Optuna's own way in takes a transaction a
        trial, and refuses settings whose choices were changed by `extend`."""
        rows: Rows = defaultdict(list)
        for model, attrs in (
            (models.StudyUserAttributeModel, self.user_attrs),
            (models.StudySystemAttributeModel, self.system_attrs),
        ):
            rows[_table(model)] += [{"study_id": study, **each} for each in _attributes(attrs)]
        for trial in self.trials:
            # Ids count from 1 in this storage, numbers from 0.
            rows[_table(models.TrialModel)].append(_trial(trial, study))
            for model, found in _parts(trial):
                rows[_table(model)] += [{"trial_id": trial.number + 1, **each} for each in found]
        return rows


def _named(metric: str) -> dict[str, list[str]]:
    # What `Study.set_metric_names` writes.
    return {"study:metric_names": [metric]}


def _with_state(trial: FrozenTrial, alive: bool) -> FrozenTrial:
    told = copy.copy(trial)
    told.user_attrs = {**trial.user_attrs, STATE: str(state_of(trial, alive))}
    return told


def _table(model: Any) -> sqlalchemy.Table:
    table: sqlalchemy.Table = model.__table__
    return table


def _trial(trial: FrozenTrial, study: int) -> dict[str, Any]:
    # Through the model, for it knows which clock a time is stored by.
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
    """What belongs to a trial, by the model of the table it lies in."""
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
        for table, held in rows.items():
            if held:
                connection.execute(table.insert(), held)


def _compare(storage: RDBStorage, study: int, told: _StudySnapshot) -> None:
    copied = storage.get_all_trials(study, deepcopy=False)
    for what, expected, found in (
        ("user attributes", told.user_attrs, storage.get_study_user_attrs(study)),
        ("system attributes", told.system_attrs, storage.get_study_system_attrs(study)),
        ("trials", [trial.number for trial in told.trials], [trial.number for trial in copied]),
    ):
        if expected != found:
            raise _differs(what)
    for trial, again in zip(told.trials, copied, strict=True):
        for part in _COMPARED:
            if getattr(trial, part) != getattr(again, part):
                raise _differs(f"{part} of trial {trial.number}")


def _differs(what: str) -> CopyDiffers:
    return CopyDiffers(
        f"Optuna must read from the copy of a study what its journal holds, but reads other {what}; nothing "
        f"was written"
    )
