"""The journal file of a study: repaired before it is written to, then written by one process."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock


class JournalDamaged(ValueError):
    """A line before the last cannot be read; says which."""


class _OneWriter(BaseJournalFileLock):
    """No lock of its own: whoever writes holds the run's. Optuna's would outlive a killed writer
    and make the next one wait 30 seconds."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return


def open_journal(path: Path) -> JournalStorage:
    """The study's storage. Writing to it is for the run's owner alone."""
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_OneWriter()))


def repair(path: Path) -> str | None:
    """Cut a torn last line, which a full disk or a power cut leaves; the run's owner calls this
    before it writes. Returns a sentence when something was cut.

    Raises JournalDamaged when an earlier line is not JSON: nothing is cut then.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    lines = content[:whole].splitlines()
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError as error:
            if number < len(lines):
                raise JournalDamaged(
                    f"every line of a journal is JSON, but line {number} of {path} is not ({error}); "
                    f"restore the file from a copy, or start the run again under another name"
                ) from error
            whole -= len(line) + 1
    if whole == len(content):
        return None
    with path.open("r+b") as file:
        file.truncate(whole)
    return f"{path.name} ended in a torn line of {len(content) - whole} bytes, which was cut"
