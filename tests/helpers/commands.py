"""The command `benchsweep` in a process of its own, a fork of one that has imported all it needs.

Where the subject is the start of the interpreter, what is imported, or a stream that is closed, a test starts
Python itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fork_server import PIPE, ForkedProcess, ForkServer

from search.engine.processes import descendants

_ENVIRONMENT = dict(os.environ)  # before any test has changed it
_SET_BY_RAY = ("PYTHONBREAKPOINT", "RAY_AUTH_MODE", "RAY_CLIENT_MODE")


@cache
def fork_server() -> ForkServer:
    """The server of all tests of this process. It ends with it."""
    return ForkServer(environment=_ENVIRONMENT)


class Done(NamedTuple):
    """How a command ended."""

    code: int
    """Its exit status."""
    out: str
    err: str


def _environment(changes: Mapping[str, str] | None) -> dict[str, str]:
    """That of the test, without what Ray has set if a test before it started Ray in this process."""
    kept = {name: value for name, value in os.environ.items() if name not in _SET_BY_RAY}
    chosen = {name: _ENVIRONMENT[name] for name in _SET_BY_RAY if name in _ENVIRONMENT}
    return {**kept, **chosen, **(changes or {})}


def command(
    *words: str | Path, timeout: float = 240, environment: Mapping[str, str] | None = None, **options: Any
) -> Done:
    """Run `benchsweep` to its end. timeout: in seconds. environment: variables that differ from the test's.
    options: those of `ForkServer.run`."""
    done = fork_server().run(
        "-m", "benchsweep", *map(str, words), timeout=timeout, env=_environment(environment), **options
    )
    return Done(done.returncode, done.stdout, done.stderr)


def fresh_command(folder: Path, *words: str) -> Done:
    """Run `benchsweep` from `folder` as a user does: in an interpreter that has imported nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "benchsweep", *words], capture_output=True, text=True, cwd=folder, timeout=240
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def started_command(
    *words: str | Path, environment: Mapping[str, str] | None = None, **options: Any
) -> Iterator[ForkedProcess]:
    """`benchsweep`, with its output piped. What still lives at the end, of it and of its descendants, is
    killed. environment: variables that differ from the test's. options: those of `ForkServer.start`."""
    piped = {"stdout": PIPE, "stderr": PIPE, "env": _environment(environment), **options}
    with fork_server().start("-m", "benchsweep", *map(str, words), **piped) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                for pid in [*descendants(process.pid), process.pid]:
                    os.kill(pid, signal.SIGKILL)


def until(process: ForkedProcess, event: str) -> dict[str, Any]:
    """The first such event that it prints as a JSON line."""
    assert process.stdout is not None
    for line in process.stdout:
        told: dict[str, Any] = json.loads(line)
        if told["event"] == event:
            return told
    raise AssertionError(f"no {event}: {process.communicate()[1]}")
