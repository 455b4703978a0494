"""The journal file of a study: repaired before it is written to, then written by one process.

Its lines are Optuna's, so that Optuna's tools read it. What belongs together, such as an epoch and
the verdict on it, is one transaction: one write, of lines that say how many of them follow. A
journal whose end lacks some of a transaction is read, and repaired, as if none of it were there.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from trainable.errors import BenchsweepError

_MORE = "more"  # the key that Optuna does not look at: how many lines of the transaction follow
_BLOCK = 1 << 20


class JournalDamaged(BenchsweepError, ValueError):
    """A line before the last cannot be read; says which."""


class Journal(BaseJournalBackend):
    """The file as Optuna reads and writes it. Writing is for the run's owner alone, which is why
    it needs no lock: Optuna's would outlive a killed writer and make the next one wait 30 seconds.
    """

    def __init__(self, path: Path, guard: Callable[[], None] | None = None) -> None:
        """guard: called before each write, to raise where this process may not write any more."""
        self._path = path
        self._guard = guard
        if not path.exists():
            path.touch()
        self._identity = _identity(path)
        self._count, self._offset = 0, 0  # what was read of the file: lines, bytes
        self._pending: list[dict[str, Any]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is appended inside is written at the end, in one piece, and read back before.

        When something is raised inside nothing is written, and the study in memory is ahead of the
        file: it must not be used any more.
        """
        if self._pending is not None:
            yield  # part of the outer one
            return
        self._pending = []
        try:
            yield
            if self._pending:
                self._offset += self._write(self._pending)
                self._count += len(self._pending)
        finally:
            self._pending = None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Raises OSError, with the file as it was before."""
        if self._pending is not None:
            self._pending += logs
        else:
            self._write(logs)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Whole transactions only. Raises JournalDamaged."""
        pending = self._pending or []
        if log_number_from < self._count:
            self._count = self._offset = 0
        skipped = log_number_from - self._count
        logs = list(self._fresh()) if not pending else []
        return (logs + pending)[skipped:]

    def _fresh(self) -> Iterator[dict[str, Any]]:
        """The lines that were added to the file since it was last read."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            group: list[dict[str, Any]] = []
            size = 0
            for line in file:
                if not line.endswith(b"\n"):
                    return
                held = _line(line)
                if held is None:
                    raise _damaged(self._path, self._count + len(group) + 1)
                group.append(held)
                size += len(line)
                if not group[-1].get(_MORE):
                    yield from group
                    self._count += len(group)
                    self._offset += size
                    group, size = [], 0

    def _write(self, logs: list[dict[str, Any]]) -> int:
        """Append the lines as one transaction; returns their bytes."""
        if self._guard is not None:
            self._guard()
        last = len(logs) - 1
        marked = [{**log, _MORE: last - at} if at < last else log for at, log in enumerate(logs)]
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in marked)
        content = text.encode()
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            if _identity(file) != self._identity:
                raise FileNotFoundError(
                    errno.ENOENT, "another file is in the place of the journal", str(self._path)
                )
            before = os.fstat(file).st_size
            try:
                written = 0
                while written < len(content):
                    written += os.write(file, content[written:])
                os.fsync(file)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file, before)
                raise
        finally:
            os.close(file)
        return len(content)


def open_journal(path: Path) -> JournalStorage:
    """The study's storage. Writing to it is for the run's owner alone."""
    return JournalStorage(Journal(path))


@dataclass(frozen=True)
class Survey:
    """A journal's lines that can be read, its size, and how much of it is whole (bytes): what lies
    beyond is a torn transaction."""

    lines: int
    size: int
    whole: int


def survey(path: Path) -> Survey:
    """Read the whole journal. Raises JournalDamaged when a line before the last is not JSON."""
    size = path.stat().st_size  # once: a live run may append meanwhile
    whole = size - _torn(path, size)
    lines = read = 0
    with path.open("rb") as file:
        for line in file:
            if read >= whole:
                break
            lines, read = lines + 1, read + len(line)
            if _line(line) is None:
                raise _damaged(path, lines)
    return Survey(lines, size, whole)


def repair(path: Path) -> str | None:
    """Cut a torn transaction off the end, which a full disk or a power cut leaves; the run's owner
    calls this before it writes. Returns a sentence when something was cut. Only the end is read.
    """
    if not path.exists():
        return None
    size = path.stat().st_size
    torn = _torn(path, size)
    if not torn:
        return None
    os.truncate(path, size - torn)
    return f"{path.name} ended in a torn line of {torn} bytes, which was cut"


def _torn(path: Path, size: int) -> int:
    """How many of the first `size` bytes, at their end, belong to a transaction that is not whole."""
    block = _BLOCK
    with path.open("rb") as file:
        while True:
            start = max(0, size - block)
            file.seek(start)
            content = file.read(size - start)
            lines = content.split(b"\n")  # of which the last is empty, or has no end
            first = len(lines.pop(0)) + 1 if start else 0  # its beginning lies before the block
            lines.pop()
            if lines and _line(lines[-1]) is None:
                lines.pop()
            while lines and (_line(lines[-1]) or {}).get(_MORE):
                lines.pop()
            if lines or not start:
                return len(content) - first - sum(len(line) + 1 for line in lines)
            block *= 4


def _line(text: bytes) -> dict[str, Any] | None:
    """What a journal's line holds; None where it is no such line."""
    try:
        held = json.loads(text)
    except ValueError:
        return None
    return held if isinstance(held, dict) else None


def _damaged(path: Path, line: int) -> JournalDamaged:
    return JournalDamaged(
        f"every line of a journal must be JSON, but line {line} of {path} is not",
        "restore the file from a copy, or start the run again under another name",
    )


def _identity(file: Path | int) -> tuple[int, int]:
    found = os.fstat(file) if isinstance(file, int) else file.stat()
    return found.st_dev, found.st_ino
