"""Which errors are a user's affair, and how they are told. The one place that catches them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from trainable.errors import BenchsweepError, InputError

WENT_WRONG, INTERRUPTED = 1, 130


class UsageError(InputError):
    """The command line asks for what cannot be; the sentence says the rule and the value."""


class Interrupted(Exception):
    """The user stopped us where no search could be asked to stop; the sentence says how to go on.

    exit_code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, sentence: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def exit_code(error: BaseException) -> int | None:
    """The exit code for an error that the user can act on; None for a bug."""
    if isinstance(error, Interrupted | BenchsweepError):
        return error.exit_code
    return WENT_WRONG if isinstance(error, OSError) else None


@contextmanager
def told() -> Iterator[None]:
    """Tell a user's error in a sentence on stderr and exit; let a bug through with its traceback.

    Notes that were added to the error on its way (how to resume, where a log lies) follow it.
    """
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        _tell(error)
        if isinstance(error, BenchsweepError) and error.exit_at_once:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _tell(error: Exception) -> None:
    from rich.text import Text

    from benchsweep import terminal

    console = terminal.err()
    head = "stopped:" if isinstance(error, Interrupted) else "error:"
    for line in sentence(error).splitlines():
        continued = line.startswith(" ")
        terminal.say(console, Text(line) if continued else Text.assemble((head, "bold red"), " ", line))
    for note in getattr(error, "__notes__", ()):
        console.print(note, soft_wrap=True)


def sentence(error: Exception) -> str:
    """What the error says: its own text, one line a fault; for the system's errors, file and reason."""
    if isinstance(error, OSError) and error.strerror:
        places = [str(place) for place in (error.filename, error.filename2) if place is not None]
        return f"{' and '.join(places)}: {error.strerror}" if places else error.strerror
    return str(error) or type(error).__name__
