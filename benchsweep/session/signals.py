"""Ctrl-C and SIGTERM while a search runs: once to stop it, twice to leave at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from search.engine.processes import Descendants

AGAIN = "stopping: trials keep their last finished epoch; press Ctrl-C again to quit now"
_ONE = 0.3
"""Seconds within which two signals are one: `timeout` and `uv run` pass on what the whole group of
processes is sent anyway."""
_CAUGHT = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stopped:
    """Whether a signal came, and which one came first."""

    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal ended: 143 for SIGTERM, 130 for Ctrl-C, and
        as well for a search that another process asked to stop."""
        return 128 + (self.signum or signal.SIGINT)

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
        first = 0.0
        while received := reader.recv(1):
            signum = received[0]
            if signum not in _CAUGHT:
                continue
            if stopped.signum is None:
                stopped.signum, first = signum, time.monotonic()
                stop()
                say(AGAIN)
            elif time.monotonic() - first > _ONE:
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
        Descendants(os.getpid()).kill()
    finally:
        os._exit(128 + signum)
