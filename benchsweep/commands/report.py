"""`benchsweep list`, `show` and `report`: read what runs left. They start nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.options import RUNS, RunsOption


class PlotlyJs(StrEnum):
    """Where a page has plotly's script from."""

    inline = "inline"
    cdn = "cdn"


if TYPE_CHECKING:
    pass


def report(
    chosen: Annotated[list[str], typer.Argument(metavar="RUN...", help="Names or folders of runs.")],
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Write here, not into the run's folder; of several runs into a folder each.",
            show_default=False,
        ),
    ] = None,
    plotlyjs: Annotated[
        PlotlyJs,
        typer.Option(
            "--plotlyjs",
            metavar="WHERE",
            help="inline: the page needs no network. cdn: it is much smaller, and its drawings need one.",
        ),
    ] = PlotlyJs.inline,
    runs: RunsOption = RUNS,
) -> None:
    """Write the report of one run, or of each of several, anew: report.html, report.md, leaderboard.csv and
    results.json.

    A run that is being searched can be reported too, as far as it is. `benchsweep compare` puts several runs
    on one page.
    """
    from benchsweep.errors import UsageError
    from benchsweep.find import run_folder
    from benchsweep.screen.ending import write_report
    from search.records.sweep import Sweep

    folders = [run_folder(name, runs) for name in chosen]
    names = [folder.name for folder in folders]
    if output is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(
            f"--output takes runs of different names, but {twice} is named twice; report them one by one"
        )
    for folder in folders:
        into = folder.path if output is None else output / folder.name if len(folders) > 1 else output
        made = write_report(Sweep.read(folder.path), into.absolute(), plotlyjs.value)
        for path in made.values():
            typer.echo(str(path))
        if open_it:
            import webbrowser

            webbrowser.open(made["report.html"].as_uri())
