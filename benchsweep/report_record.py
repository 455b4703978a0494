"""A run as its report tells it, where its folder is not at hand: results.json, or the page itself."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from benchsweep.errors import UsageError
from search.records.sweep import Placement, RecordedPlan, Session, State, Sweep, Trial
from trainable.contract import Metric
from trainable.epoch import Epoch

_RECORD = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)


def reported(path: Path) -> Sweep:
    """The sweep that a results.json or report.html tells of, as far as it does: its plan, its starts, and
    the trials it holds in full. Raises Mistake for a file that is neither."""
    try:
        text = path.read_text(encoding="utf-8")
        found = _RECORD.search(text)
        told = json.loads(found[1] if found else text)
        return _sweep(path, told)
    except OSError as error:
        raise UsageError(
            f"--from must name a report.html or results.json, but {path}: {error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"--from must name a report.html or results.json of this version of benchsweep, but {path} holds "
            f"no such record ({type(error).__name__}: {error})"
        ) from None


def _sweep(path: Path, told: dict[str, Any]) -> Sweep:
    sessions = tuple(_session(each) for each in told["sessions"])
    return Sweep(
        folder=path.absolute().parent,
        name=told["name"],
        plan=RecordedPlan.of(told["plan"]),
        metric=Metric(**told["metric"]),
        environment=sessions[-1].environment if sessions else {},
        trials=tuple(_trial(each) for each in told["trials"]),
        openings=(),
        sessions=sessions,
        alive=False,
    )


def _session(told: dict[str, Any]) -> Session:
    sizes = tuple((seconds, workers) for seconds, workers in told.get("sizes", ()))
    return Session(**{**told, "started": datetime.fromisoformat(told["started"]), "sizes": sizes})


def _trial(told: dict[str, Any]) -> Trial:
    fields = {name: told[name] for name in Trial.__dataclass_fields__ if name in told}
    for name in ("started", "ended"):
        fields[name] = None if told[name] is None else datetime.fromisoformat(told[name])
    for name in ("notes", "resumed_from"):
        fields[name] = tuple(told[name])
    return Trial(
        **{
            **fields,
            "state": State(told["state"]),
            "epochs": tuple(Epoch.from_json(each) for each in told["epochs"]),
            "placements": tuple(_placement(each) for each in told.get("placements", ())),
        }
    )


def _placement(told: dict[str, Any]) -> Placement:
    return Placement(**{**told, "since": datetime.fromisoformat(told["since"])})
