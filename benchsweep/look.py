"""`benchsweep list`, `show` and `report`: read what runs left. They start nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsweep.options import RUNS, Json, Run, Runs


class PlotlyJs(StrEnum):
    """Where a page has plotly's script from."""

    inline = "inline"
    cdn = "cdn"


if TYPE_CHECKING:
    from search.records import Sweep


def runs(runs: Runs = RUNS, json: Json = False) -> None:
    """List the runs there are: how far each is, and the best it found.

    --json prints an array with an object for each run: name, folder, state, metric, trials (total,
    planned, and how many are in each state), best (trial, score, sampled), test (trial, metrics,
    count, low, high), seconds and last_seen. A run that cannot be read has an error instead.
    """
    from benchsweep import terminal
    from benchsweep.tables import runs_table
    from search.folder import RunFolder

    found = [_summary(run.path) for run in RunFolder.all(runs)]
    if json:
        terminal.print_json(found)
    elif not found:
        typer.echo(f"there is no run in {runs.absolute()}; start one with `benchsweep quickstart`")
    else:
        terminal.out().print(runs_table(found))


def _summary(folder: Path) -> dict[str, object]:
    from benchsweep.summary import summary
    from search.records import Sweep

    try:
        return summary(Sweep.read(folder))
    except Exception as error:  # one damaged run must not hide the others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return {"name": folder.name, "folder": str(folder), "state": "unreadable", "error": reason}


def show(
    run: Run,
    trial: Annotated[
        str | None, typer.Argument(metavar="[TRIAL]", help="A trial's number, or best.", show_default=False)
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show a run: its plan, its best trials and the leaderboard. With TRIAL, that trial in full.

    --json prints one object: the same as results.json of the report (name, status, metric, best,
    test, trials, leaderboard, openings, sessions, plan, plans, warm_start, environment), or with
    TRIAL that trial: number, state, score, recipe, sampled, epochs, error, notes, resumed_from,
    worker, session, started, ended, seconds and same_as.
    """
    from benchsweep import terminal
    from benchsweep.find import run_folder, trial_of
    from benchsweep.tables import print_run, print_trial
    from search.records import Sweep

    sweep = Sweep.read(run_folder(run, runs).path)
    chosen = None if trial is None else trial_of(sweep, trial)
    if json:
        told = _results(sweep)
        if chosen is not None:
            told = next(each for each in told["trials"] if each["number"] == chosen.number)
        terminal.print_json(told)
    elif chosen is not None:
        print_trial(terminal.out(), sweep, chosen)
    else:
        print_run(terminal.out(), sweep)


def _results(sweep: Sweep) -> dict[str, Any]:
    from reports.benchmarks import read_benchmarks
    from reports.results import results
    from reports.verdict import reproduce_command

    return results(sweep, read_benchmarks(), reproduce_command(sweep))


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
    runs: Runs = RUNS,
) -> None:
    """Write the report of one run, or of each of several, anew: report.html, report.md, leaderboard.csv and
    results.json.

    A run that is being searched can be reported too, as far as it is. `benchsweep compare` puts several runs
    on one page.
    """
    from benchsweep.closing import write_report
    from benchsweep.errors import Mistake
    from benchsweep.find import run_folder
    from search.records import Sweep

    folders = [run_folder(name, runs) for name in chosen]
    names = [folder.name for folder in folders]
    if output is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Mistake(
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
