"""The descendants of a process, such as Ray's daemons and workers."""

from __future__ import annotations

from contextlib import suppress

import psutil


class Descendants:
    """The processes that one process started, directly or indirectly. They are remembered: a process whose
    own parent has ended can no longer be found as a descendant."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._known: set[psutil.Process] = set()

    def remember(self) -> None:
        """Add those that exist now."""
        with suppress(psutil.NoSuchProcess):
            self._known.update(psutil.Process(self._pid).children(recursive=True))

    def alive(self) -> int:
        """Number of those that have not ended; one that has and was not waited for counts as ended."""
        self.remember()
        return sum(map(_lives, self._known))

    def kill(self) -> None:
        """Kill all that were ever seen. Trials keep their last epoch."""
        self.remember()
        for process in self._known:
            with suppress(psutil.Error):  # psutil does not kill another process with the same id
                process.kill()


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def descendants(pid: int) -> list[int]:
    """Ids of the processes that `pid` started, directly or indirectly; empty if it has ended.

    Most of Ray's daemons die with their driver, but its two agents live on for a while.
    """
    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
