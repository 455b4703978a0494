"""A run as an MLflow tracking store: an SQLite file for `mlflow server`. Needs benchsweep[mlflow]."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy

from reports.analysis.trials_frame import states_sentence
from reports.analysis.verdict import reproduce_command
from reports.analysis.winner import winner_of
from reports.exports.mlflow_limits import (
    LONGEST_PARAM,
    LONGEST_TAG,
    METRICS_PER_CALL,
    PARAMS_PER_CALL,
    MlflowLimits,
    batches,
)
from reports.exports.test_summary import test_summary
from search.records.sweep import State, Sweep, Trial

_STATUS = {
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.INTERRUPTED: "KILLED",
    State.PAUSED: "SCHEDULED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
    State.RUNNING: "RUNNING",
}

_SEARCH_STATUS = {
    "running": "RUNNING",
    "empty": "SCHEDULED",
    "finished": "FINISHED",
    "interrupted": "KILLED",
}


class MlflowStore(NamedTuple):
    """A run as an MLflow tracking store."""

    content: bytes
    """The SQLite file."""
    notes: tuple[str, ...]
    """Sentences on what was changed to fit MLflow's limits."""


def mlflow_store(sweep: Sweep) -> MlflowStore:
    """The search as one experiment of the same name: a parent run for the search and a nested run for each
    trial and each rerun of the confirmation.

    A trial's parameters are its complete recipe, with lists as JSON; its metrics have one step per epoch.
    COMPLETE becomes FINISHED, PRUNED and INTERRUPTED become KILLED, PAUSED becomes SCHEDULED, DIVERGED and
    FAILED become FAILED; the tag benchsweep.state keeps our own state. The tag benchsweep.winner marks the
    winner, benchsweep.top_score the trial with the top score in the search. The time of a metric is the
    trial's start plus its epochs' seconds. There are no artifacts.
    """
    # MLflow reads this when it is first imported; an export must not send data anywhere.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    with tempfile.TemporaryDirectory(prefix="benchsweep-") as folder, _unsynced():
        path = Path(folder) / "mlflow.db"
        limits = MlflowLimits()
        _Writer(MlflowClient(f"sqlite:///{path}"), sweep, limits).write()
        content = _content(path)
    return MlflowStore(content, limits.notes())


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite not wait for the disk: the file is used when it is complete, or not at all."""

    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", on_connect)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", on_connect)


def _content(path: Path) -> bytes:
    """The content of an SQLite file in any journal mode."""
    connection = sqlite3.connect(path)
    try:
        return connection.serialize()
    finally:
        connection.close()


class _Writer:
    """Writes a sweep with MLflow's own client."""

    def __init__(self, client: Any, sweep: Sweep, limits: MlflowLimits) -> None:
        self._client = client
        self._sweep = sweep
        self._limits = limits
        winner, top = winner_of(sweep), sweep.top()
        self._winner = None if winner is None else winner.name
        self._top = None if top is None else top.number

    def write(self) -> None:
        """Write the experiment and all its runs."""
        name = self._sweep.name
        existing = self._client.get_experiment_by_name(name)  # every store begins with one called Default
        # Not a path of this machine: the server decides where artifacts are stored.
        artifacts = f"mlflow-artifacts:/{name}"
        experiment = existing.experiment_id if existing else self._client.create_experiment(name, artifacts)
        parent = self._search(experiment)
        self._trials(experiment, parent)
        self._reruns(experiment, parent)

    def _trials(self, experiment: str, parent: str) -> None:
        for trial in self._sweep.trials:
            tags = {
                "benchsweep.kind": "trial",
                "benchsweep.trial": str(trial.number),
                "benchsweep.sampled": _text(dict(trial.sampled)),
                "benchsweep.winner": "true" if self._winner == f"trial {trial.number}" else None,
                "benchsweep.top_score": "true" if self._top == trial.number else None,
            }
            self._training(experiment, parent, trial, f"trial {trial.number}", tags, {})

    def _reruns(self, experiment: str, parent: str) -> None:
        confirmation = self._sweep.confirmation
        test_metrics = {
            (look.trial, look.seed): look.evaluation.metrics
            for opening in self._sweep.openings
            for look in opening.looks
        }
        for candidate in () if confirmation is None else confirmation.candidates:
            for rerun in candidate.reruns:
                seed = rerun.recipe["seed"]
                tags = {
                    "benchsweep.kind": "rerun",
                    "benchsweep.candidate": candidate.name,
                    "benchsweep.winner": "true" if self._winner == candidate.name else None,
                }
                test = test_metrics.get((candidate.trial, seed), {})
                self._training(experiment, parent, rerun, f"{candidate.name}, seed {seed}", tags, test)

    def _search(self, experiment: str) -> str:
        """Write the parent run: the plan and the best scores. Returns its id."""
        sweep, top, test = self._sweep, self._sweep.top(), test_summary(self._sweep)
        times = [time for trial in sweep.trials for time in (trial.started, trial.ended) if time is not None]
        times += [session.started for session in sweep.sessions]
        times += [session.started + timedelta(seconds=session.seconds) for session in sweep.sessions]
        ended = max(times, default=datetime.fromtimestamp(0).astimezone())
        command = reproduce_command(sweep) if top is not None else ""
        tags = {
            "benchsweep.kind": "search",
            "benchsweep.state": sweep.status,
            "benchsweep.winner": self._winner,
            "benchsweep.metric": f"{sweep.metric.direction} {sweep.metric.name}",
            "mlflow.source.name": "benchsweep",
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": sweep.environment.get("commit"),
            "mlflow.note.content": f"{states_sentence(sweep)}." + (f"\n\n    {command}\n" if command else ""),
        }
        run = self._begin(experiment, sweep.name, _milliseconds(min(times, default=ended)), tags)
        metrics: list[tuple[str, float, int, int]] = []
        if top is not None and top.score is not None:
            metrics.append(("top_score", top.score, _milliseconds(ended), 0))
        for name, value in ((test or {}).get("metrics") or {}).items():
            metrics.append((f"test.{name}", value, _milliseconds(ended), 0))
        self._log(run, metrics, dict(_flat(sweep.plan.table)))
        self._end(run, _SEARCH_STATUS[sweep.status], ended)
        return run

    def _training(
        self,
        experiment: str,
        parent: str,
        trial: Trial,
        name: str,
        tags: Mapping[str, str | None],
        test: Mapping[str, float],
    ) -> None:
        """Write the run of a trial or a rerun. tags: in addition to those that both have. test: its metrics
        on the test set."""
        began = trial.started or datetime.fromtimestamp(0).astimezone()
        known = {
            "mlflow.parentRunId": parent,
            "benchsweep.state": str(trial.state),
            "benchsweep.worker": trial.worker,
            "benchsweep.session": None if trial.session is None else str(trial.session),
            "benchsweep.same_as": None if trial.same_as is None else str(trial.same_as),
            "benchsweep.recipe_sha256": trial.recipe_sha256,
            "benchsweep.weights_sha256": trial.weights_sha256,
            "mlflow.note.content": "\n\n".join([*filter(None, [trial.error]), *trial.notes]) or None,
        }
        run = self._begin(experiment, name, _milliseconds(began), {**known, **tags})
        metrics, clock = [], began
        for epoch in trial.epochs:
            clock += timedelta(seconds=epoch.seconds)
            metrics += [
                (key, value, _milliseconds(clock), epoch.number) for key, value in epoch.metrics.items()
            ]
        ended = trial.ended or clock
        if not trial.epochs and trial.score is not None:
            metrics.append((self._sweep.metric.name, trial.score, _milliseconds(ended), 0))
        if trial.parameters is not None:
            metrics.append(("parameters", float(trial.parameters), _milliseconds(ended), 0))
        metrics += [(f"test.{key}", value, _milliseconds(ended), 0) for key, value in test.items()]
        self._log(run, metrics, trial.recipe)
        self._end(run, _STATUS[trial.state], ended)

    def _begin(self, experiment: str, name: str, began: int, tags: Mapping[str, str | None]) -> str:
        known = {
            key: self._limits.shorten(value, LONGEST_TAG) for key, value in tags.items() if value is not None
        }
        run = self._client.create_run(experiment, start_time=began, tags=known, run_name=name)
        return str(run.info.run_id)

    def _log(
        self, run: str, metrics: Sequence[tuple[str, float, int, int]], params: Mapping[str, Any]
    ) -> None:
        from mlflow.entities import Metric, Param

        limits = self._limits
        points = [Metric(limits.key(key), value, clock, step) for key, value, clock, step in metrics]
        values = [
            Param(limits.key(key), limits.shorten(_text(value), LONGEST_PARAM))
            for key, value in params.items()
        ]
        calls = zip_longest(batches(points, METRICS_PER_CALL), batches(values, PARAMS_PER_CALL))
        for some_points, some_values in calls:
            self._client.log_batch(run, metrics=some_points or (), params=some_values or ())

    def _end(self, run: str, status: str, ended: datetime) -> None:
        if status in ("RUNNING", "SCHEDULED"):
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, _milliseconds(ended))


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested table as dotted names and values."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
