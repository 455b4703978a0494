"""The user's terminal: Ray's output is kept out of it, and everything is written in one way."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from benchsweep.output_stream import output_stream
from reports.formatting.wording import plain_json


def typed_command(*words: str) -> str:
    """A benchsweep command as this user types it: with `uv run` in front if this one was started that way."""
    before = ["uv", "run"] if "UV_RUN_RECURSION_DEPTH" in os.environ else []
    return shlex.join([*before, "benchsweep", *words])


@dataclass(frozen=True)
class Streams:
    """The user's own streams, while descriptors 1 and 2 are redirected."""

    out: TextIO
    """For results."""
    err: TextIO
    """For notices and errors."""


def own() -> Streams:
    """Python's own streams, which everything else in this process prints to as well."""
    return Streams(sys.stdout, sys.stderr)


@contextmanager
def redirected(log: Path) -> Iterator[Streams]:
    """Appends everything that is written to file descriptors 1 and 2 to `log`, and yields the user's streams.

    Ray, its daemons and its workers write to the descriptors they inherit, where Python cannot intercept
    them. Both descriptors are always restored.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # Copies that children do not inherit: a pipe's reader would wait until the last copy is closed.
    with log.open("ab") as file, _copy(1, sys.stdout, file) as out, _copy(2, sys.stderr, file) as err:
        try:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
            yield Streams(out, err)
        finally:
            for stream, descriptor, copy in ((sys.stdout, 1, out), (sys.stderr, 2, err)):
                with suppress(OSError):  # even on a full disk the descriptors must be restored
                    stream.flush()
                os.dup2(copy.fileno(), descriptor)


def _copy(descriptor: int, like: TextIO, log: BinaryIO) -> TextIO:
    """The user's stream, after descriptor was redirected. A search continues without its reader."""

    def note(error: OSError) -> None:
        name = {1: "standard output", 2: "standard error"}[descriptor]
        with suppress(OSError):
            log.write(f"{name} is lost ({error.strerror}); continuing without it\n".encode())
            log.flush()

    return output_stream(os.dup(descriptor), like.encoding, close=True, on_loss=note)


_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_CONTROLS}]")
"""Characters that a terminal obeys instead of showing them: C0 but for tab and line feed, delete, C1, and
those that turn the direction of writing."""


def printable(text: str) -> str:
    """The text with U+FFFD in place of each control character: a name or an error that a run recorded may
    hold anything."""
    return _CONTROL.sub("\ufffd", text)


class _PrintableConsole(Console):
    """A console whose text holds no control characters, whatever it was given to print."""

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments of the renderable; rich's own control codes are segments of another kind."""
        for segment in super().render(renderable, options):
            if not segment.control and _CONTROL.search(segment.text):
                yield Segment(printable(segment.text), segment.style)
            else:
                yield segment


def console_on(stream: TextIO) -> Console:
    """A console that prints text as it is, without control characters: no markup, no highlighting."""
    console = _PrintableConsole(file=stream, markup=False, highlight=False, emoji=False)
    fit(console)
    return console


def fit(console: Console) -> None:
    """Set the console to the current size of its terminal. rich would ask descriptors 0 to 2, of which two
    are redirected."""
    with suppress(OSError, ValueError):  # not a terminal: rich's own default remains
        console.size = os.get_terminal_size(console.file.fileno())


def out() -> Console:
    """A console on stdout."""
    return console_on(sys.stdout)


def err() -> Console:
    """A console on stderr."""
    return console_on(sys.stderr)


def say(console: Console, text: str | Text) -> None:
    """Print a sentence: wrapped between words on a terminal, on one line elsewhere."""
    console.print(text, soft_wrap=not console.is_terminal)


def print_json(value: Any) -> None:
    """Print a JSON document on stdout. NaN and infinities become null, dates text."""
    sys.stdout.write(_json(value, indent=2) + "\n")


def json_line(value: Any) -> str:
    """The same as one line, with its newline."""
    return _json(value, indent=None) + "\n"


def _json(value: Any, indent: int | None) -> str:
    """JSON escapes the control characters of C0; the others are escaped here."""
    text = json.dumps(plain_json(value), indent=indent, allow_nan=False, ensure_ascii=False)
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
