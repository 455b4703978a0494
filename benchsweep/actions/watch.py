"""`benchsweep watch`: serves the live page until Ctrl-C."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import typer

from benchsweep.errors import UsageError
from benchsweep.find import run_folder, run_or_newest
from benchsweep.live.observer import LiveRuns
from benchsweep.live.server import serving

_MOST = 8
"""Runs on one page, at most."""


def watch_runs(names: Sequence[str] | None, port: int, open_it: bool, runs: Path) -> None:
    """Prints the page's address and serves it. Raises NotARun, and UsageError for a port that is taken."""
    folders = [run_folder(name, runs) for name in names or ()] or [run_or_newest(None, runs)]
    if len(folders) > _MOST:
        raise UsageError(f"a page shows at most {_MOST} runs, but {len(folders)} are named", "name fewer")
    try:
        with serving(LiveRuns(folders), port) as server:
            typer.echo(f"{', '.join(folder.name for folder in folders)}: {server.address}")
            typer.echo("Ctrl-C ends this page, and no search", err=True)
            if open_it:
                webbrowser.open(server.address)
            threading.Event().wait()
    except KeyboardInterrupt:
        return
    except OSError as error:
        if port and error.errno is not None and not isinstance(error, FileNotFoundError):
            raise UsageError(
                f"--port {port} cannot be used: {error.strerror or error}",
                "name another one, or leave it out",
            ) from error
        raise
