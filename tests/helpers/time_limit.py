"""A block that must end in time: for what may wait for ever."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Hangs(BaseException):
    """The block took too long; no handler takes it for an error of its own."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises Hangs in the main thread if the block takes longer."""

    def hanging(number: int, frame: object) -> None:
        raise Hangs(f"took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, hanging)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
