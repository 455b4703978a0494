"""`benchsweep list`: prints a summary of each run in a folder."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.screen.tables import runs_table
from benchsweep.summary import summary
from search.records.folder import RunFolder
from search.records.sweep import Sweep


def list_runs(runs: Path, json: bool) -> None:
    """Prints a table, or an array of JSON objects."""
    summaries = [_summary(run.path) for run in RunFolder.all(runs)]
    if json:
        terminal.print_json(summaries)
    elif not summaries:
        typer.echo(f"there is no run in {runs.absolute()}; start one with `benchsweep quickstart`")
    else:
        terminal.out().print(runs_table(summaries))


def _summary(folder: Path) -> dict[str, object]:
    try:
        return summary(Sweep.read(folder))
    except Exception as error:  # one damaged run must not hide the others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return {"name": folder.name, "folder": str(folder), "state": "unreadable", "error": reason}
