"""`benchsweep report`: writes the reports of runs and prints their paths."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import typer

from benchsweep.errors import UsageError
from benchsweep.find import run_folder, run_or_newest
from benchsweep.screen.ending import write_report
from search.records.sweep import Sweep


def write_reports(
    names: Sequence[str] | None,
    open_it: bool,
    output: Path | None,
    plotlyjs: Literal["inline", "cdn"],
    runs: Path,
) -> None:
    """Writes each report to the run's folder, or to `output`."""
    folders = [run_folder(name, runs) for name in names or ()] or [run_or_newest(None, runs)]
    folder_names = [folder.name for folder in folders]
    if output is not None and len(set(folder_names)) < len(folders):
        twice = next(name for name in folder_names if folder_names.count(name) > 1)
        raise UsageError(
            f"--output takes runs of different names, but {twice} is named twice",
            "write their reports one by one",
        )
    for folder in folders:
        target = folder.path if output is None else output / folder.name if len(folders) > 1 else output
        files = write_report(Sweep.read(folder.path), target.absolute(), plotlyjs)
        for path in files.values():
            typer.echo(str(path))
        if open_it:
            webbrowser.open(files["report.html"].as_uri())
