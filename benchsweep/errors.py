"""How the command line reports an error that the user can act on: a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from trainable.errors import BenchsweepError, InputError

FAILURE, INTERRUPTED = 1, 130
"""Exit codes: something failed; Ctrl-C. A fault of the input has 2, SIGTERM 143."""


class UsageError(InputError):
    """The command line asks for something that is not possible."""


class Interrupted(Exception):
    """A signal ended the command where there was no search to stop in order."""

    def __init__(self, message: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        """130 after Ctrl-C, 143 after SIGTERM."""


def exit_code(error: BaseException) -> int | None:
    """The exit code for an error that the user can act on; None for a bug."""
    if isinstance(error, Interrupted | BenchsweepError):
        return error.exit_code
    return FAILURE if isinstance(error, OSError) else None


@contextmanager
def exiting_on_error() -> Iterator[None]:
    """Prints an error that the user can act on, with its notes, to stderr and exits with its code.

    A bug keeps its traceback.
    """
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        _print(error)
        if isinstance(error, BenchsweepError) and error.exit_at_once:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _print(error: Exception) -> None:
    from rich.text import Text  # only an error needs it

    from benchsweep import terminal

    console = terminal.err()
    label = "stopped:" if isinstance(error, Interrupted) else "error:"
    for line in error_text(error).splitlines():
        continued = line.startswith(" ")
        terminal.say(console, Text(line) if continued else Text.assemble((label, "bold red"), " ", line))
    for note in getattr(error, "__notes__", ()):
        console.print(note, soft_wrap=True)


def error_text(error: Exception) -> str:
    """The error in words, one line for each fault: message and advice, or of an OSError the file and the
    reason."""
    if isinstance(error, OSError) and error.strerror:
        files = [str(file) for file in (error.filename, error.filename2) if file is not None]
        return f"{' and '.join(files)}: {error.strerror}" if files else error.strerror
    if isinstance(error, BenchsweepError) and error.advice is not None and "\n" in error.message:
        return f"{error.message}\n  {error.advice}"
    return str(error) or type(error).__name__
