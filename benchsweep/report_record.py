"""A run as its report records it, for when its folder is not available: results.json, or the page itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from benchsweep.errors import UsageError
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import Placement, Session, State, Sweep, Trial
from search.records.typed import typed
from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.storage.record_file import parse_json, read_record

T = TypeVar("T")
_RECORD = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)


def read_report(path: Path) -> Sweep:
    """The sweep recorded in a results.json or report.html: its plan, its sessions, and the trials that are
    stored in full there. Raises UsageError for a file that is neither."""
    return _read(path, _sweep)


def recorded_best(path: Path) -> str:
    """The best trial of a results.json or report.html as an argument: its number, "default" if the plan's
    default recipe won, or "best" where it is not on record. Raises UsageError for a file that is neither."""
    return _read(path, _best)


def _best(path: Path, record: dict[str, Any]) -> str:
    if not isinstance(record.get("best", 0), dict | None):  # a page or a file of an earlier version
        return "best"
    best, complete = record["best"], any(trial["state"] == State.COMPLETE for trial in record["trials"])
    if best is None:
        return "default" if complete else "best"
    return str(best["trial"])


def _read(path: Path, take: Callable[[Path, dict[str, Any]], T]) -> T:
    """What `take` takes from the record."""
    try:
        text = read_record(path)
        embedded = _RECORD.search(text)
        return take(path, parse_json(embedded[1] if embedded else text))
    except OSError as error:
        raise UsageError(
            f"--from must name a report.html or results.json, but {path}: {error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"--from must name a report.html or results.json of benchsweep, but {path} has no such record "
            f"({type(error).__name__}: {error})"
        ) from None


def _sweep(path: Path, record: dict[str, Any]) -> Sweep:
    sessions = tuple(_session(session) for session in record["sessions"])
    sweep = Sweep(
        folder=path.absolute().parent,
        name=record["name"],
        plan=RecordedPlan.of(record["plan"]),
        metric=Metric(**record["metric"]),
        environment=sessions[-1].environment if sessions else {},
        trials=tuple(_trial(trial) for trial in record["trials"]),
        openings=(),
        sessions=sessions,
        alive=False,
    )
    return typed(sweep)


def _session(record: dict[str, Any]) -> Session:
    sizes = tuple((seconds, workers) for seconds, workers in record.get("sizes", ()))
    return Session(**{**record, "started": datetime.fromisoformat(record["started"]), "sizes": sizes})


def _trial(record: dict[str, Any]) -> Trial:
    fields = {name: record[name] for name in Trial.__dataclass_fields__ if name in record}
    for name in ("started", "ended"):
        fields[name] = None if record[name] is None else datetime.fromisoformat(record[name])
    for name in ("notes", "resumed_from", "pauses"):
        fields[name] = tuple(record.get(name, ()))
    return Trial(
        **{
            **fields,
            "state": State(record["state"]),
            "epochs": tuple(Epoch.from_json(epoch) for epoch in record["epochs"]),
            "placements": tuple(_placement(placement) for placement in record.get("placements", ())),
        }
    )


def _placement(record: dict[str, Any]) -> Placement:
    return Placement(**{**record, "since": datetime.fromisoformat(record["since"])})
