"""What the packages below the command line say through `logging`, as lines on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SAID = ("trainable.contract",)
"""The loggers whose messages the user sees: what code of theirs is imported, before it is."""


class _StandardError(logging.Handler):
    """Writes to the stream that is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


@contextmanager
def printed_notices() -> Iterator[None]:
    """Print the messages of these loggers while inside."""
    handler = _StandardError(logging.INFO)
    loggers = [logging.getLogger(name) for name in _SAID]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
