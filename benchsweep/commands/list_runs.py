"""benchsweep list: the runs in a folder."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep.options import RUNS, JsonOption, RunsOption


def runs(runs: RunsOption = RUNS, json: JsonOption = False) -> None:
    """List the runs there are: how far each is, and the best it found.

    --json prints an array with an object for each run: name, folder, state, metric, trials (total,
    planned, and how many are in each state), best (trial, score, sampled), test (trial, metrics,
    count, low, high), seconds and last_seen. A run that cannot be read has an error instead.
    """
    from benchsweep import terminal
    from benchsweep.screen.tables import runs_table
    from search.records.folder import RunFolder

    found = [_summary(run.path) for run in RunFolder.all(runs)]
    if json:
        terminal.print_json(found)
    elif not found:
        typer.echo(f"there is no run in {runs.absolute()}; start one with `benchsweep quickstart`")
    else:
        terminal.out().print(runs_table(found))


def _summary(folder: Path) -> dict[str, object]:
    from benchsweep.summary import summary
    from search.records.sweep import Sweep

    try:
        return summary(Sweep.read(folder))
    except Exception as error:  # one damaged run must not hide the others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return {"name": folder.name, "folder": str(folder), "state": "unreadable", "error": reason}
