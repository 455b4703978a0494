"""`benchsweep report`: writes the reports of runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import RUNS, RunsOption


class PlotlyJs(StrEnum):
    """Where a page gets plotly's script from."""

    inline = "inline"
    cdn = "cdn"


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN...]", help="Names or folders of runs. Default: the newest run.", show_default=False
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Write to this folder instead of the run's; of several runs, to a subfolder for each.",
            show_default=False,
        ),
    ] = None,
    plotlyjs: Annotated[
        PlotlyJs,
        typer.Option(
            "--plotlyjs",
            metavar="WHERE",
            help="inline: the page works offline. cdn: it is much smaller, but its figures need a network.",
        ),
    ] = PlotlyJs.inline,
    runs: RunsOption = RUNS,
) -> None:
    """Write the report of one or several runs again.

    The report is report.html, report.md, leaderboard.csv and results.json. It can also be written while a
    run is searched. `benchsweep compare` shows several runs on one page.
    """
    from benchsweep.actions.report import write_reports

    write_reports(names, open_it, output, plotlyjs.value, runs)
