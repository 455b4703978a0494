"""The summaries that `benchsweep list` printed last: a run is read again only after one of its files changed.

They are in the user's cache folder, which may be removed at any time. Nothing here imports what reads a run:
that takes longer than everything else in `list`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from trainable.storage.durable import write_atomic
from trainable.storage.lock import lock_file
from trainable.storage.record_file import open_record, parse_json, read_record

_RECORDS = ("plan.toml", "study.journal", "test_openings.json", "saved.json", "confirmation/study.journal")
"""The files of a run that its summary is read from, besides the epochs of its trials."""
_TRIALS = ("trials", "confirmation/trials")
_CODE = ("benchsweep/summary.py", "search/records", "reports/analysis", "reports/statistics")
"""The files and folders of benchsweep that decide what a summary says."""
_LEASE_LIFE = 60.0
"""Seconds after its last renewal for which a lease counts as held; its owner renews it every two."""
_KEPT = 1000
"""Runs that are kept, at most: those that were listed last."""


class ListedRun(NamedTuple):
    """A run as `benchsweep list` shows it."""

    summary: Mapping[str, Any]
    """As in `benchsweep.summary`, as plain JSON values."""
    score: str
    """Its best score as text, "" if it cannot be read."""


def cache_folder() -> Path:
    """The folder of the user's cache for benchsweep: below XDG_CACHE_HOME if that is set, else below
    ~/.cache. It need not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "benchsweep"


class KeptSummaries:
    """The summaries by the folder of their run."""

    def __init__(self, folder: Path) -> None:
        """folder: of the cache. What cannot be read there is not kept."""
        self._path = folder / "summaries.json"
        self._code = _fingerprint(_code_files(Path(__file__).parents[1]))
        self._entries: dict[str, dict[str, Any]] = {}
        self._before: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            stored = parse_json(read_record(self._path))
            if stored["code"] == self._code:
                self._entries = dict(stored["runs"])
                self._before = dict(self._entries)

    def find(self, run: Path, fingerprint: str | None) -> ListedRun | None:
        """The summary of the run in the folder `run`; None unless it was kept with that fingerprint."""
        entry = self._entries.get(str(run))
        if entry is None or fingerprint is None or entry["files"] != fingerprint:
            return None
        return ListedRun(entry["summary"], entry["score"])

    def keep(self, run: Path, fingerprint: str | None, listed: ListedRun) -> None:
        """Keep the summary of a run whose files had that fingerprint before it was read."""
        self._entries.pop(str(run), None)
        if fingerprint is not None:
            entry = {"files": fingerprint, "summary": listed.summary, "score": listed.score}
            self._entries[str(run)] = entry

    def save(self) -> None:
        """Write what changed. A cache folder that cannot be written to is none."""
        if self._entries == self._before:
            return
        runs = dict(list(self._entries.items())[-_KEPT:])
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._path, json.dumps({"code": self._code, "runs": runs}))


def fingerprint_of(run: Path) -> str | None:
    """The names, sizes and times of the files that a run's summary is read from, as a hash; None if a process
    owns the run, whose summary may change at any time."""
    if _is_owned(run):
        return None
    return _fingerprint(_run_files(run))


def _is_owned(run: Path) -> bool:
    """Whether a process has the run's lock, or may have it on another machine."""
    for lease in run.glob("lease.*.json"):
        with suppress(OSError):
            if time.time() - lease.stat().st_mtime < _LEASE_LIFE:
                return True
    try:
        with io.TextIOWrapper(open_record(run / "lock")) as file:
            return not lock_file(file, 0.0, shared=True)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # read, and explained, by whoever reads the run
        return True


def _run_files(run: Path) -> Iterator[Path]:
    yield from (run / name for name in _RECORDS)
    for name in _TRIALS:
        with suppress(OSError):
            for trial in sorted(os.scandir(run / name), key=lambda entry: entry.name):
                yield Path(trial.path) / "epochs.jsonl"


def _code_files(root: Path) -> Iterator[Path]:
    for name in _CODE:
        path = root / name
        yield from sorted(path.glob("*.py")) if path.is_dir() else (path,)


def _fingerprint(files: Iterable[Path]) -> str:
    hashed = hashlib.sha256()
    for file in files:
        try:
            status = file.lstat()
        except OSError:
            continue
        hashed.update(f"{file} {status.st_ino} {status.st_size} {status.st_mtime_ns}\n".encode())
    return hashed.hexdigest()
