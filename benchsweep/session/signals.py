"""Ctrl-C and SIGTERM during a search: the first stops it in order, the second at once."""

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

STOPPING = "stopping: trials keep their last finished epoch; press Ctrl-C again to quit now"
_SAME_SIGNAL = 0.3
"""Seconds within which two signals count as one: `timeout` and `uv run` forward a signal that
the process group receives anyway."""
_CAUGHT = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopSignal:
    """The signal that stopped a search."""

    number: int | None = None
    """Of the first signal; None while none has arrived."""

    @property
    def exit_code(self) -> int:
        """What a shell expects after a signal: 143 for SIGTERM, 130 for Ctrl-C. Also 130 if another process
        asked the search to stop."""
        return 128 + (self.number or signal.SIGINT)

    def catch(self) -> None:
        """Take over the signals again: Ray installs its own handlers when it starts."""
        for number in _CAUGHT:
            signal.signal(number, _ignore)


def _ignore(number: int, frame: object) -> None:
    """Replaces Python's default, which would raise or end the process; the listener thread acts instead."""


@contextmanager
def stopping(
    stop: Callable[[], None], say: Callable[[str], None], leave: Callable[[], None]
) -> Iterator[StopSignal]:
    """Handles signals inside: the first calls `stop` and `say`s so; the second calls `leave`, which restores
    the terminal, and ends this process and its descendants at once.

    Must be entered in the main thread. The previous handlers are restored at the end.
    """
    stop_signal = StopSignal()
    # Python's own handlers wait until the main thread returns from C code, which takes seconds while
    # Ray starts. The wakeup socket has the signal's number immediately, and this thread reads it.
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def listen() -> None:
        first_time = 0.0
        while received := reader.recv(1):
            number = received[0]
            if number not in _CAUGHT:
                continue
            if stop_signal.number is None:
                stop_signal.number, first_time = number, time.monotonic()
                stop()
                say(STOPPING)
            elif time.monotonic() - first_time > _SAME_SIGNAL:
                _end(number, leave)

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    before = {number: signal.getsignal(number) for number in _CAUGHT}
    stop_signal.catch()
    descriptor = signal.set_wakeup_fd(writer.fileno())
    listener.start()
    try:
        yield stop_signal
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        listener.join()
        reader.close()


def _end(number: int, leave: Callable[[], None]) -> None:
    try:
        leave()
        Descendants(os.getpid()).kill()
    finally:
        os._exit(128 + number)
