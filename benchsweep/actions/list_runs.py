"""`benchsweep list`: prints a summary of each run in a folder."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.kept_summaries import KeptSummaries, ListedRun, cache_folder, fingerprint_of
from benchsweep.options import RUNS
from benchsweep.screen.runs_table import runs_table
from trainable.errors import BenchsweepError


def list_runs(runs: Path, json: bool) -> None:
    """Prints a table, or an array of JSON objects. Raises UsageError if `runs` is no folder; the default one
    need not exist yet."""
    if not runs.is_dir() and (runs.exists() or runs != RUNS):
        fault = "is a file" if runs.exists() else "does not exist"
        raise UsageError(
            f"--runs must name a folder that contains runs, but {runs.absolute()} {fault}", "name another one"
        )
    kept = KeptSummaries(cache_folder())
    listed = [_listed(plan.parent.absolute(), kept) for plan in sorted(runs.glob("*/plan.toml"))]
    kept.save()
    if json:
        terminal.print_json([run.summary for run in listed])
    elif not listed:
        typer.echo(f"there is no run in {runs.absolute()}; start one with `benchsweep quickstart`")
    else:
        terminal.out().print(runs_table(listed))


def _listed(folder: Path, kept: KeptSummaries) -> ListedRun:
    """The run as it was listed last, or, if one of its files changed, as it is."""
    fingerprint = fingerprint_of(folder)
    if (listed := kept.find(folder, fingerprint)) is not None:
        return listed
    # What reads a run takes a second to import, and is not needed where no run has changed.
    from benchsweep.summary import listed_run
    from search.records.sweep import Sweep

    try:
        listed = listed_run(Sweep.read(folder, partly=True))
    except Exception as error:  # one damaged run must not hide the others
        known = isinstance(error, BenchsweepError)
        reason = " ".join((str(error) if known else f"{type(error).__name__}: {error}").split())
        unread = {"name": folder.name, "folder": str(folder), "state": "unreadable", "error": reason}
        return ListedRun(unread, "")
    kept.keep(folder, fingerprint, listed)
    return listed
