"""A run as an MLflow tracking store: an SQLite file for `mlflow server`. Needs benchsweep[mlflow]."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import posixpath
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy

from reports.analysis.trials_frame import states_sentence
from reports.analysis.verdict import reproduce_command
from reports.analysis.winner import winner_of
from reports.exports.column import escape_surrogates
from reports.exports.results import test_summary
from reports.formatting.wording import plural
from search.records.sweep import State, Sweep, Trial

_STATUS = {
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.INTERRUPTED: "KILLED",
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

_KEY, _PARAM, _TAG = 250, 6000, 8000
"""MLflow's limits: characters of a name, of a parameter's value and of a tag's."""

_METRICS, _PARAMS = 900, 100
"""In one call, which MLflow limits to 100 parameters and 1,000 of both."""


_ItemT = TypeVar("_ItemT")


class MlflowStore(NamedTuple):
    """content: of the SQLite file. notes: sentences on what MLflow's limits changed."""

    content: bytes
    notes: tuple[str, ...]


def mlflow_store(sweep: Sweep) -> MlflowStore:
    """The run as one experiment of its name: a parent run for the search, and nested below it a run for each
    trial and for each rerun of its confirmation.

    A trial's parameters are its whole recipe, lists as JSON; its metrics have a step an epoch. COMPLETE is
    FINISHED, PRUNED and INTERRUPTED are KILLED, DIVERGED and FAILED are FAILED; the tag benchsweep.state has
    our own word, and benchsweep.winner marks the winner, benchsweep.best the best trial. Times within a
    trial are its start and its epochs' seconds, added up. There are no artifacts.
    """
    # It is read when mlflow is first imported; what a file is made of is nobody else's affair.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    with tempfile.TemporaryDirectory(prefix="benchsweep-") as folder, _unsynced():
        path = Path(folder) / "mlflow.db"
        writer = _Writer(MlflowClient(f"sqlite:///{path}"), sweep)
        writer.write()
        content = _closed(path)
    return MlflowStore(content, writer.notes())


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite not wait for the disk: the file is given out when it is whole, or thrown away."""

    def connected(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", connected)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", connected)


def _closed(path: Path) -> bytes:
    """The file's content, whatever journal mode MLflow's own connections left it in."""
    connection = sqlite3.connect(path)
    try:
        return connection.serialize()
    finally:
        connection.close()


class _Writer:
    """Writes a sweep with MLflow's own client, within MLflow's limits, and counts what they changed."""

    def __init__(self, client: Any, sweep: Sweep) -> None:
        self._client = client
        self._sweep = sweep
        self._renamed: set[str] = set()
        self._cut: Counter[int] = Counter()
        winner, best = winner_of(sweep), sweep.best()
        self._winner = None if winner is None else winner.name
        self._best = None if best is None else best.number

    def notes(self) -> tuple[str, ...]:
        """What is to be said of it."""
        made = [
            f"{plural(count, 'value')} of more than {limit:,} characters, MLflow's limit, were cut"
            for limit, count in sorted(self._cut.items())
        ]
        if self._renamed:
            count = plural(len(self._renamed), "name")
            made.append(f"{count} that MLflow does not take were changed, and end in a hash")
        return tuple(made)

    def write(self) -> None:
        """The experiment and all its runs."""
        sweep = self._sweep
        held = self._client.get_experiment_by_name(sweep.name)  # each store begins with one named Default
        # No path of this machine: a server keeps artifacts where it is told to.
        artifacts = f"mlflow-artifacts:/{sweep.name}"
        experiment = held.experiment_id if held else self._client.create_experiment(sweep.name, artifacts)
        parent = self._search(experiment)
        for trial in sweep.trials:
            tags = {
                "benchsweep.kind": "trial",
                "benchsweep.trial": str(trial.number),
                "benchsweep.sampled": _text(dict(trial.sampled)),
                "benchsweep.winner": "true" if self._winner == f"trial {trial.number}" else None,
                "benchsweep.best": "true" if self._best == trial.number else None,
            }
            self._training(experiment, parent, trial, f"trial {trial.number}", tags, {})
        told = sweep.confirmation
        looks = {
            (look.trial, look.seed): look.evaluation.metrics
            for opening in sweep.openings
            for look in opening.looks
        }
        for candidate in () if told is None else told.candidates:
            for rerun in candidate.reruns:
                seed = rerun.recipe["seed"]
                tags = {
                    "benchsweep.kind": "rerun",
                    "benchsweep.candidate": candidate.name,
                    "benchsweep.winner": "true" if self._winner == candidate.name else None,
                }
                seen = looks.get((candidate.trial, seed), {})
                self._training(experiment, parent, rerun, f"{candidate.name}, seed {seed}", tags, seen)

    def _search(self, experiment: str) -> str:
        """The parent run: what was asked, and what was found."""
        sweep, best, test = self._sweep, self._sweep.best(), test_summary(self._sweep)
        times = [time for trial in sweep.trials for time in (trial.started, trial.ended) if time is not None]
        times += [session.started for session in sweep.sessions]
        times += [session.started + timedelta(seconds=session.seconds) for session in sweep.sessions]
        ended = max(times, default=datetime.fromtimestamp(0).astimezone())
        command = reproduce_command(sweep) if best is not None else ""
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
        if best is not None and best.score is not None:
            metrics.append(("best_score", best.score, _milliseconds(ended), 0))
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
        held = {key: self._cut_to(_TAG, value) for key, value in tags.items() if value is not None}
        made = self._client.create_run(experiment, start_time=began, tags=held, run_name=name)
        return str(made.info.run_id)

    def _log(
        self, run: str, metrics: Sequence[tuple[str, float, int, int]], params: Mapping[str, Any]
    ) -> None:
        from mlflow.entities import Metric, Param

        told = [Metric(self._key(key), value, clock, step) for key, value, clock, step in metrics]
        held = [Param(self._key(key), self._cut_to(_PARAM, _text(value))) for key, value in params.items()]
        batches = zip_longest(_batches(told, _METRICS), _batches(held, _PARAMS))
        for some, others in batches:
            self._client.log_batch(run, metrics=some or (), params=others or ())

    def _end(self, run: str, status: str, ended: datetime) -> None:
        if status in ("RUNNING", "SCHEDULED"):
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, _milliseconds(ended))

    def _key(self, name: str) -> str:
        """A metric's or a parameter's name as MLflow takes it: other than ours only where it must be."""
        plain = re.sub(r"[^/\w.\- :]", "_", escape_surrogates(name))
        if posixpath.normpath(plain) != plain or plain.startswith(("..", "/")) or plain == ".":
            plain = plain.replace("/", "_").replace("..", "__") if plain != "." else "_"
        if plain == name and len(plain) <= _KEY:
            return plain
        self._renamed.add(name)
        mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{plain[: _KEY - 9]}.{mark}"

    def _cut_to(self, limit: int, value: str) -> str:
        text = escape_surrogates(value)
        if len(text) <= limit:
            return text
        self._cut[limit] += 1
        return text[: limit - 1] + "…"


def _batches(values: Iterable[_ItemT], size: int) -> Iterator[list[_ItemT]]:
    remaining = iter(values)
    while batch := list(islice(remaining, size)):
        yield batch


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A plan as dotted names and values."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
