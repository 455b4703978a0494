"""A file's lock, which the kernel drops when the process that holds it ends."""

from __future__ import annotations

import fcntl
import time
from typing import IO

_PAUSE = 0.02
"""Seconds between two tries."""


def lock_file(file: IO[str], patience: float, *, shared: bool = False) -> bool:
    """Locks an open file until it is closed. Returns whether the lock was acquired within `patience` seconds.
    shared: other holders of a shared lock may have it too. Raises OSError if the file system has no locks."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True
