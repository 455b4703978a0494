"""Who owns a run: one process at a time, by a lock that the kernel drops when it dies, and by a lease where
that lock does not reach another machine."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from search.records.folder import RunFolder
from search.records.lease import Owner, elsewhere, leased
from trainable.errors import BenchsweepError


class Owned(BenchsweepError, RuntimeError):
    """Another live process owns the run; says which."""


@contextmanager
def owning(path: Path, say: Callable[[str], None] | None = None) -> Iterator[Owner]:
    """Hold the run whose lock lies at `path`. A dead owner's lock is taken over, at once if it was on this
    machine, else once it has not been heard of for `lease.PATIENCE`, which `say` is told.

    Raises Owned with the live owner's name.
    """
    with path.open("a+") as file:
        if not _take(file, patience=0.5):
            raise _owned(path, _read(file))
        owner = Owner.of_this_process()
        with leased(path.parent, owner, say or _silent) as other:
            if other is not None:
                raise _owned(path, other)
            file.truncate(0)
            file.write(json.dumps({"host": owner.host, "pid": owner.pid, "since": owner.since}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a network file system shows it to others only then
            yield owner


def _silent(sentence: str) -> None:
    pass


def _owned(path: Path, owner: Owner | None) -> Owned:
    return Owned(
        f"a run has one owner at a time, but {path.parent.name} is held by {owner or 'another process'}; "
        f"wait for it, or stop it with `benchsweep stop {RunFolder(path.parent).reference}`"
    )


def owner_of(path: Path) -> Owner | None:
    """The live owner of the run whose lock lies at `path`; None when nobody holds it."""
    try:
        with path.open("r") as file:
            if not _take(file, patience=0.0, shared=True):
                return _read(file)
    except FileNotFoundError:
        return None
    return elsewhere(path.parent)


def _take(file: IO[str], patience: float, shared: bool = False) -> bool:
    """Try to lock for `patience` seconds: a reader that only looks holds it for an instant."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _read(file: IO[str]) -> Owner | None:
    file.seek(0)
    try:
        return Owner(**json.loads(file.read()))
    except (ValueError, TypeError):  # its owner is writing it just now
        return Owner("this host", 0, "just now")
