"""A file's lock, which the kernel drops when the process that holds it ends."""

from __future__ import annotations

import fcntl
import time
from typing import IO

_PAUSE = 0.02
"""Seconds between two tries."""


def lock_file(file: IO[str], patience: float, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed; returns whether that came about within `patience` seconds.
    shared: beside others that lock it so. Raises OSError where the file system has no locks."""
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
