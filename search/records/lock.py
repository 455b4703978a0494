"""Who owns a run: one process at a time, by a lock that the kernel drops when the process dies, and by a
lease where the lock does not reach another machine."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from search.records.folder import RunFolder
from search.records.lease import Owner, hold_lease, remote_owner
from search.records.typed import typed
from trainable.errors import BenchsweepError
from trainable.storage.lock import lock_file
from trainable.storage.record_file import open_record, parse_json

_PATIENCE = 0.5
"""Seconds to wait for a lock: who only looks whether a run is owned holds it for an instant."""
_SIZE = 10_000
"""Characters that are read of a lock, at most."""


class RunOwned(BenchsweepError, RuntimeError):
    """Another live process owns the run; says which."""


@contextmanager
def owning(path: Path, say: Callable[[str], None] | None = None) -> Iterator[Owner]:
    """Own the run whose lock is at `path`, for the length of the block.

    A dead owner's lock is taken over: at once if it ran on this machine, else once its lease was not renewed
    for `lease.PATIENCE` seconds. say: called with a sentence about what is waited for.

    Raises RunOwned with the live owner's name.
    """
    if path.exists():
        open_record(path).close()  # a FIFO would block
    with path.open("a+") as file:
        if not lock_file(file, _PATIENCE):
            raise _owned(path, _read(file))
        owner = Owner.of_this_process()
        with hold_lease(path.parent, owner, say or (lambda sentence: None)) as other:
            if other is not None:
                raise _owned(path, other)
            file.truncate(0)
            file.write(json.dumps({"host": owner.host, "pid": owner.pid, "since": owner.since}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a network file system shows it to others only then
            yield owner


def owner_of(path: Path) -> Owner | None:
    """The live owner of the run whose lock is at `path`; None if nobody owns it. Raises NotARecord."""
    try:
        with io.TextIOWrapper(open_record(path)) as file:
            if not lock_file(file, 0.0, shared=True):
                return _read(file)
    except FileNotFoundError:
        return None
    return remote_owner(path.parent)


def _owned(path: Path, owner: Owner | None) -> RunOwned:
    return RunOwned(
        f"a run has one owner at a time, but {path.parent.name} is owned by {owner or 'another process'}",
        f"wait for it, or stop it with `benchsweep stop {RunFolder(path.parent).reference}`",
    )


def _read(file: IO[str]) -> Owner | None:
    file.seek(0)
    try:
        return typed(Owner(**parse_json(file.read(_SIZE))))
    except (ValueError, TypeError):  # its owner is writing it just now
        return Owner("this host", 0, "just now")
