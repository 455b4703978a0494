"""The processes that a process started, and those that they started: Ray's daemons and workers."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


class Descendants:
    """Those of one process, remembered: one whose own parent is gone is no descendant any more.

    pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._known: dict[int, str] = {}

    def look(self) -> None:
        """Remember those that there are now."""
        for pid in descendants(self._pid):
            with suppress(OSError):  # it ended just now
                self._known[pid] = _began(pid)

    def kill(self) -> None:
        """End all that were ever seen. A worker's trial keeps its last epoch."""
        self.look()
        for pid, began in self._known.items():
            with suppress(OSError):
                if _began(pid) == began:  # and not another process that was given its number
                    os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and those that they started; none where there is no /proc.

    Most of Ray's daemons die with their driver, but its two agents live on for a while.
    """
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended just now
            parents[int(stat.parent.name)] = int(_fields(stat)[1])
    found = [pid]
    for each in found:  # grows as it is walked
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def _began(pid: int) -> str:
    return _fields(Path(f"/proc/{pid}/stat"))[19]


def _fields(stat: Path) -> list[str]:
    # "pid (a name, with anything in it) state parent …"
    return stat.read_text().rpartition(")")[2].split()
