"""Ctrl-C and SIGTERM while a search runs: once to stop it, twice to leave at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

AGAIN = "stopping: trials keep their last finished epoch; press Ctrl-C again to quit now"
_CAUGHT = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stopped:
    """Whether a signal came, and which one came first."""

    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return 1 if self.signum is None else 128 + self.signum

    def catch(self) -> None:
        """Take the signals again: Ray, when it starts, puts a handler of its own in our place."""
        for signum in _CAUGHT:
            signal.signal(signum, _nothing)


def _nothing(signum: int, frame: object) -> None:
    """Python's default would raise or end the process; the listener does what is to be done."""


@contextmanager
def stopping(
    stop: Callable[[], None], say: Callable[[str], None], leave: Callable[[], None]
) -> Iterator[Stopped]:
    """The first signal calls `stop` and `say`s what happens; the second calls `leave`, which
    restores the terminal, and ends this process and all it started on the spot.

    To be entered in the main thread. The handlers there were before come back after it.
    """
    stopped = Stopped()
    # Python's own handlers wait until the main thread comes back from C, which takes seconds while
    # Ray starts. The number of a signal is in the socket at once, and this thread reads it there.
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def listen() -> None:
        while received := reader.recv(1):
            signum = received[0]
            if signum not in _CAUGHT:
                continue
            if stopped.signum is None:
                stopped.signum = signum
                stop()
                say(AGAIN)
            else:
                _end(signum, leave)

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    before = {signum: signal.getsignal(signum) for signum in _CAUGHT}
    stopped.catch()
    descriptor = signal.set_wakeup_fd(writer.fileno())
    listener.start()
    try:
        yield stopped
    finally:
        signal.set_wakeup_fd(descriptor)
        for signum, handler in before.items():
            signal.signal(signum, handler)
        writer.close()
        listener.join()
        reader.close()


def _end(signum: int, leave: Callable[[], None]) -> None:
    try:
        leave()
        kill_descendants()
    finally:
        os._exit(128 + signum)


def kill_descendants() -> None:
    """End what this process started, Ray's daemons and workers. A worker's trial keeps its last epoch."""
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and those that they started; none where there is no /proc.

    Most of Ray's daemons die with their driver, but its two agents live on for a while.
    """
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended just now
            # "pid (a name, with anything in it) state parent …"
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:  # grows as it is walked
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]
