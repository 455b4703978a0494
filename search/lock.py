"""Who owns a run: one process at a time, by a lock that the kernel drops when it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from search.folder import RunFolder


class Owned(RuntimeError):
    """Another live process owns the run; says which."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a run: host, process id, and when it took it (UTC, ISO 8601)."""

    host: str
    pid: int
    since: str


@contextmanager
def owning(path: Path) -> Iterator[Owner]:
    """Hold the run whose lock lies at `path`. A dead owner's lock is taken over.

    Raises Owned with the live owner's name.
    """
    with path.open("a+") as file:
        if not _take(file, patience=0.5):
            owner = _read(file)
            who = f"process {owner.pid} on {owner.host}, since {owner.since}" if owner else "another process"
            raise Owned(
                f"a run has one owner at a time, but {path.parent.name} is held by {who}; wait for it, or "
                f"stop it with `benchsweep stop {RunFolder(path.parent).reference}`"
            )
        owner = Owner(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))
        file.truncate(0)
        file.write(json.dumps(asdict(owner)) + "\n")
        file.flush()
        yield owner


def owner_of(path: Path) -> Owner | None:
    """The live owner of the run whose lock lies at `path`; None when nobody holds it."""
    try:
        with path.open("r") as file:
            return None if _take(file, patience=0.0, shared=True) else _read(file)
    except FileNotFoundError:
        return None


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
