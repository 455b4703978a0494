"""The journal file of a study: repaired before it is written to, then written by one process.

Its lines are Optuna's, so that Optuna's tools read it. What belongs together, such as an epoch and the
verdict on it, is one transaction: one write, of lines that say how many of them follow. A journal whose end
lacks part of a transaction is read, and repaired, as if none of it were there.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from search.records.lease import file_identity
from trainable.errors import BenchsweepError
from trainable.storage.record_file import MAX_SIZE, open_record, parse_json

_MORE = "more"
"""A key that Optuna ignores: how many lines of the transaction follow."""
_BLOCK = 1 << 20
"""Bytes that are read from the end of a journal at first."""


class JournalDamaged(BenchsweepError, ValueError):
    """A line before the last cannot be read; says which."""


class JournalFile(BaseJournalBackend):
    """The file as Optuna reads and writes it. Only the run's owner writes, so no lock is needed: Optuna's
    would outlive a killed writer and make the next one wait for 30 seconds."""

    def __init__(self, path: Path, guard: Callable[[], None] | None = None) -> None:
        """guard: called before each write; raises where this process may not write any more."""
        self._path = path
        self._guard = guard
        if not path.exists():
            path.touch()
        self._identity = file_identity(path)
        self._count, self._offset = 0, 0  # lines and bytes that were read so far
        self._pending: list[dict[str, Any]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write what is appended inside at once when the block ends; inside, it can be read already.

        If the block raises, nothing is written, and the study in memory is ahead of the file: it must not be
        used any more.
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
        """Raises OSError and leaves the file as it was."""
        if self._pending is not None:
            self._pending += logs
        else:
            self._write(logs)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Returns complete transactions only. Raises JournalDamaged."""
        pending = self._pending or []
        if log_number_from < self._count:
            self._count = self._offset = 0
        skipped = log_number_from - self._count
        logs = list(self._read_new()) if not pending else []
        return (logs + pending)[skipped:]

    def _read_new(self) -> Iterator[dict[str, Any]]:
        """The lines that were appended since the file was last read."""
        with open_record(self._path) as file:
            file.seek(self._offset)
            transaction: list[dict[str, Any]] = []
            size = 0
            while line := file.readline(MAX_SIZE):
                if len(line) == MAX_SIZE:
                    raise _damaged(self._path, self._count + len(transaction) + 1)
                if not line.endswith(b"\n"):
                    return
                log = _parse(line)
                if log is None:
                    raise _damaged(self._path, self._count + len(transaction) + 1)
                transaction.append(log)
                size += len(line)
                if not log.get(_MORE):
                    yield from transaction
                    self._count += len(transaction)
                    self._offset += size
                    transaction, size = [], 0

    def _write(self, logs: list[dict[str, Any]]) -> int:
        """Append the lines as one transaction; returns their size in bytes."""
        if self._guard is not None:
            self._guard()
        last = len(logs) - 1
        marked = [{**log, _MORE: last - at} if at < last else log for at, log in enumerate(logs)]
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in marked)
        content = text.encode()
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            if file_identity(file) != self._identity:
                raise FileNotFoundError(
                    errno.ENOENT, "the journal was replaced by another file", str(self._path)
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


class StudyStorage(JournalStorage):
    """A journal as the storage of its study. Only the run's owner may write to it."""

    def __init__(self, path: Path, guard: Callable[[], None] | None = None) -> None:
        """guard: as for JournalFile. Raises JournalDamaged."""
        self._file = JournalFile(path, guard)
        super().__init__(self._file)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As `JournalFile.transaction`."""
        with self._file.transaction():
            yield

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The study's trials, by number."""
        if deepcopy or states is not None:
            return super().get_all_trials(study_id, deepcopy, states)
        with self._thread_lock:
            self._sync_with_backend()
            replayed = self._replay_result
            if list(replayed._study_id_to_trial_ids) == [study_id]:
                return list(replayed._trials.values())  # of tens of thousands, at once
            return replayed.get_all_trials(study_id, states)


@dataclass(frozen=True)
class JournalCheck:
    """What a journal holds."""

    lines: int
    """Lines of complete transactions."""
    size: int
    """Bytes of the file."""
    complete: int
    """Bytes of complete transactions; what follows them is a torn one."""


def check_journal(path: Path) -> JournalCheck:
    """Read a journal to its end. Raises JournalDamaged if a line before the last is not JSON."""
    size = path.stat().st_size  # once: a live run may append meanwhile
    complete = size - _torn(path, size)
    lines = read = 0
    with open_record(path) as file:
        while line := file.readline(MAX_SIZE):
            if read >= complete:
                break
            lines, read = lines + 1, read + len(line)
            if _parse(line) is None:
                raise _damaged(path, lines)
    return JournalCheck(lines, size, complete)


def repair(path: Path) -> str | None:
    """Cut off a torn transaction at the end, which a full disk or a power failure leaves; the run's owner
    calls this before it writes. Returns a sentence about what was cut, or None. Only the end is read."""
    if not path.exists():
        return None
    size = path.stat().st_size
    torn = _torn(path, size)
    if not torn:
        return None
    os.truncate(path, size - torn)
    return f"{path.name} ended in a torn line of {torn} bytes, which was cut off"


def _torn(path: Path, size: int) -> int:
    """How many of the first `size` bytes, at their end, belong to an incomplete transaction."""
    block = _BLOCK
    with open_record(path) as file:
        while True:
            if block > MAX_SIZE:
                raise _damaged(path, None)
            start = max(0, size - block)
            file.seek(start)
            content = file.read(size - start)
            lines = content.split(b"\n")  # the last one is empty, or has no end
            first = len(lines.pop(0)) + 1 if start else 0  # it begins before the block
            if not lines:  # a part of one line
                block *= 4
                continue
            lines.pop()
            if lines and _parse(lines[-1]) is None:
                lines.pop()
            while lines and (_parse(lines[-1]) or {}).get(_MORE):
                lines.pop()
            if lines or not start:
                return len(content) - first - sum(len(line) + 1 for line in lines)
            block *= 4


def _parse(line: bytes) -> dict[str, Any] | None:
    """The log in a line; None if it is not one."""
    try:
        log = parse_json(line)
    except ValueError:
        return None
    return log if isinstance(log, dict) else None


def _damaged(path: Path, line: int | None) -> JournalDamaged:
    """line: its number; None for a last one that is too long to be one."""
    which = "the last line" if line is None else f"line {line}"
    return JournalDamaged(
        f"every line of a journal must be JSON, but {which} of {path} is not",
        "restore the file from a copy, or start the run again under another name",
    )
