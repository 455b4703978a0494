"""Standard output and standard error that outlive their reader.

A search must not end because nobody reads its output any more: what cannot be written is dropped, and
remembered. A character that the terminal cannot show is replaced.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class OutputDescriptor(io.FileIO):
    """A file descriptor to which writing never fails."""

    def __init__(
        self, descriptor: int, close: bool, on_loss: Callable[[OSError], None] | None = None
    ) -> None:
        """close: whether to close the descriptor with this object. on_loss: called once, with the error of
        the first write that failed."""
        super().__init__(descriptor, "w", closefd=close)
        self._on_loss = on_loss
        self.lost: OSError | None = None
        """Why nothing is written any more; None while everything was."""

    def write(self, data: Any) -> int:  # any buffer of bytes
        if self.lost is None:
            try:
                return super().write(data)
            except OSError as error:
                self.lost = error
                if self._on_loss is not None:
                    self._on_loss(error)
        return memoryview(data).nbytes


def output_stream(
    descriptor: int, encoding: str, *, close: bool, on_loss: Callable[[OSError], None] | None = None
) -> TextIO:
    """A text stream on a descriptor to which writing never fails. close, on_loss: as in OutputDescriptor."""
    raw = OutputDescriptor(descriptor, close, on_loss)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors="replace", line_buffering=raw.isatty()
    )


@contextmanager
def lasting_output() -> Iterator[None]:
    """Replaces this process's standard streams while inside, and ends in SystemExit.

    Afterwards, if the work went well but standard output could not be written, exits with 1 and a sentence
    on standard error. A reader that has left, such as `head`, and a stream that was closed from the start
    are no error.
    """
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:  # somebody reads them in memory
        yield
        return
    _open_closed()
    streams = sys.stdout, sys.stderr
    losses: list[OSError] = []
    sys.stdout = _replacement(1, sys.stdout, losses.append)
    sys.stderr = _replacement(2, sys.stderr, None)
    ended = SystemExit(0)
    try:
        yield
    except SystemExit as error:
        ended = error
    finally:
        sys.stdout.flush()
        failed = [loss for loss in losses if loss.errno != errno.EPIPE]
        for loss in failed:
            reason = loss.strerror or loss
            print(  # noqa: T201  after the console is gone
                f"error: standard output could not be written: {reason}; all else was done", file=sys.stderr
            )
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams
    if failed and not ended.code:
        sys.exit(1)
    raise ended


def _replacement(descriptor: int, stream: TextIO | None, on_loss: Callable[[OSError], None] | None) -> TextIO:
    if stream is not None:
        with suppress(OSError):
            stream.flush()
    encoding = "utf-8" if stream is None else stream.encoding
    return output_stream(descriptor, encoding, close=False, on_loss=on_loss)


def _open_closed() -> None:
    """Opens the null device in place of standard streams that are closed: else the next file that is opened
    would get the number of one, and receive its text."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
