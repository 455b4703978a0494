"""Runs as they change: read again after each write to their records, as the differences since then."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchsweep.progress.replay import planned_epochs
from benchsweep.progress.run_status import RunStatus, next_command
from benchsweep.screen.status import line
from reports.analysis.trials_frame import sampled_settings
from reports.formatting.wording import setting, shorten
from search.records.folder import RunFolder
from search.records.lock import owner_of
from search.records.sweep import Trial
from trainable.errors import BenchsweepError

_INTERVAL = 0.5
"""Seconds between two looks at the records."""
_SHARE = 3
"""Seconds without reading for each second that a reading took: watching must not slow the search."""
_LONGEST = 300
"""Characters of an error, at most."""


@dataclass
class _Observed:
    """A run as it was read last."""

    folder: RunFolder
    files: tuple[Any, ...] | None = None
    """Sizes and times of its records when it was read, and whether a process owned it."""
    header: dict[str, Any] = field(default_factory=dict)
    """All but its trials."""
    header_version: int = 0
    trials: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    """By number: the version in which a trial changed last, and the trial."""


class LiveRuns:
    """Runs under observation. Each change has a version, so that a reader asks for what is new to it."""

    def __init__(self, folders: Sequence[RunFolder]) -> None:
        self._runs = [_Observed(folder) for folder in folders]
        self._version = 0
        self._changed = threading.Condition()

    @property
    def folders(self) -> list[RunFolder]:
        """The runs, in the order given."""
        return [run.folder for run in self._runs]

    def observe(self, stopped: threading.Event) -> None:
        """Read the runs whenever they change, until `stopped`."""
        while not stopped.is_set():
            began = time.monotonic()
            self.look()
            stopped.wait(max(_INTERVAL, _SHARE * (time.monotonic() - began)))

    def look(self) -> None:
        """Read the runs that changed since the last look."""
        for run in self._runs:
            files = _files(run.folder)
            if files == run.files:
                continue
            header, trials = _read(run.folder)
            with self._changed:
                version = self._version + 1
                before = self._version
                if header != run.header:
                    run.header, run.header_version, self._version = header, version, version
                for number, trial in trials.items():
                    if number not in run.trials or run.trials[number][1] != trial:
                        run.trials[number] = (version, trial)
                        self._version = version
                run.files = files
                if self._version != before:
                    self._changed.notify_all()

    def changes(self, since: int, patience: float) -> tuple[int, list[dict[str, Any]]]:
        """The version now, and each run with its changes after version `since`; waits for them up to
        `patience` seconds. A run has its index, header (null if it is the same), and trials."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > since, patience)
            runs = []
            for index, run in enumerate(self._runs):
                trials = [trial for version, trial in run.trials.values() if version > since]
                header = run.header if run.header_version > since else None
                if header is not None or trials:
                    runs.append({"index": index, "header": header, "trials": trials})
            return self._version, runs


def _files(run: RunFolder) -> tuple[Any, ...]:
    found: list[Any] = []
    for path in (run.journal, run.openings, run.confirmation.journal, run.plan, run.stop_request):
        with suppress(OSError):
            status = path.stat()
            found.append((path.name, status.st_size, status.st_mtime_ns, status.st_ino))
    try:
        owner = owner_of(run.lock)
    except (OSError, BenchsweepError):
        owner = None
    return (*found, owner)


def _read(run: RunFolder) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """The run's header and its trials; of a run that cannot be read, the reason as its header."""
    try:
        status = RunStatus.read(run, datetime.now(UTC))
    except (BenchsweepError, OSError) as error:
        return {"name": run.name, "state": "unreadable", "line": shorten(str(error), _LONGEST)}, {}
    sweep, progress = status.sweep, status.progress
    names, best, top = sampled_settings(sweep), sweep.best(), sweep.top()
    header = {
        "name": sweep.name,
        "state": status.phase or sweep.status,
        "line": line(status),
        "share": progress.share_spent,
        "metric": sweep.metric.name,
        "sign": sweep.metric.sign,
        "unit": sweep.metric.unit,
        "best": None if best is None else best.number,
        "score": "–" if best is None else sweep.metric.format(best.score),
        "top": None if top is None else top.number,
        "settings": names,
        "next": next_command(status),
    }
    return header, {trial.number: _trial(trial, names, sweep.metric) for trial in sweep.trials}


def _trial(trial: Trial, names: Sequence[str], metric: Any) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.lower(),
        "epochs": f"{len(trial.epochs)}/{planned_epochs(trial)}",
        "score": metric.format(trial.score),
        "settings": [setting(trial.sampled[name]) if name in trial.sampled else "" for name in names],
        "curve": [
            [epoch.number, float(f"{epoch.metrics[metric.name]:.6g}")]
            for epoch in trial.epochs
            if metric.name in epoch.metrics
        ],
        "error": shorten(trial.error or "", _LONGEST),
    }
