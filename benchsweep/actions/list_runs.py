"""`benchsweep list`: prints a summary of each run in a folder."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.options import RUNS
from benchsweep.screen.tables import runs_table
from benchsweep.summary import summary
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from trainable.errors import BenchsweepError


def list_runs(runs: Path, json: bool) -> None:
    """Prints a table, or an array of JSON objects. Raises UsageError if `runs` is no folder; the default one
    need not exist yet."""
    if not runs.is_dir() and (runs.exists() or runs != RUNS):
        fault = "is a file" if runs.exists() else "does not exist"
        raise UsageError(
            f"--runs must name a folder that contains runs, but {runs.absolute()} {fault}", "name another one"
        )
    summaries = [_summary(run.path) for run in RunFolder.all(runs)]
    if json:
        terminal.print_json(summaries)
    elif not summaries:
        typer.echo(f"there is no run in {runs.absolute()}; start one with `benchsweep quickstart`")
    else:
        terminal.out().print(runs_table(summaries))


def _summary(folder: Path) -> dict[str, object]:
    try:
        return summary(Sweep.read(folder, partly=True))
    except Exception as error:  # one damaged run must not hide the others
        known = isinstance(error, BenchsweepError)
        reason = " ".join((str(error) if known else f"{type(error).__name__}: {error}").split())
        return {"name": folder.name, "folder": str(folder), "state": "unreadable", "error": reason}
