"""The user's terminal: kept clean while Ray runs, and written to in one way."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def typed(*words: str) -> str:
    """A command of ours as this user types it: behind `uv run`, where that is how this one began."""
    before = ["uv", "run"] if "UV_RUN_RECURSION_DEPTH" in os.environ else []
    return shlex.join([*before, "benchsweep", *words])


@dataclass(frozen=True)
class Streams:
    """Where the user reads: out is for results, err for what goes on."""

    out: TextIO
    err: TextIO


def own() -> Streams:
    """Python's own, which everything else in this process prints to as well."""
    return Streams(sys.stdout, sys.stderr)


@contextmanager
def diverted(log: Path) -> Iterator[Streams]:
    """Point file descriptors 1 and 2 at `log`, which is appended to, and give the user's own streams.

    Ray, its daemons and its workers print to the descriptors they inherit, past anything that
    Python could catch. Both are restored in any case.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # Copies that children do not inherit: a pipe's reader would wait for the last of them.
    with log.open("ab") as file, _copy(1, sys.stdout) as out, _copy(2, sys.stderr) as err:
        try:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
            yield Streams(out, err)
        finally:
            for stream, descriptor, own in ((sys.stdout, 1, out), (sys.stderr, 2, err)):
                with suppress(OSError):  # a full disk must not keep the descriptors from coming back
                    stream.flush()
                os.dup2(own.fileno(), descriptor)


def _copy(descriptor: int, like: TextIO) -> TextIO:
    return os.fdopen(os.dup(descriptor), "w", encoding=like.encoding, errors=like.errors)


def console_on(stream: TextIO) -> Console:
    """A console that writes what it is given: no markup, no highlighting of its own."""
    from rich.console import Console

    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    fit(console)
    return console


def fit(console: Console) -> None:
    """Take the terminal's present size. rich asks descriptors 0 to 2, and two are diverted."""
    with suppress(OSError, ValueError):  # not a terminal: rich's own guess will do
        console.size = os.get_terminal_size(console.file.fileno())


def out() -> Console:
    """The console on stdout."""
    return console_on(sys.stdout)


def err() -> Console:
    """The console on stderr."""
    return console_on(sys.stderr)


def say(console: Console, text: str | Text) -> None:
    """A sentence: broken between words on a terminal, on one line elsewhere."""
    console.print(text, soft_wrap=not console.is_terminal)


def print_json(value: Any) -> None:
    """A JSON document on stdout. NaN and infinities become null, dates text."""
    from reports.formatting.wording import plain_json

    sys.stdout.write(json.dumps(plain_json(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def json_line(value: Any) -> str:
    """The same in one line, its end included."""
    from reports.formatting.wording import plain_json

    return json.dumps(plain_json(value), allow_nan=False, ensure_ascii=False) + "\n"
