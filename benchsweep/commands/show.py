"""benchsweep show: a run, or one of its trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.records.sweep import Sweep

from typing import Annotated, Any

import typer

from benchsweep.options import RUNS, JsonOption, RunArgument, RunsOption


def show(
    run: RunArgument,
    trial: Annotated[
        str | None, typer.Argument(metavar="[TRIAL]", help="A trial's number, or best.", show_default=False)
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Show a run: its plan, its best trials and the leaderboard. With TRIAL, that trial in full.

    --json prints one object: the same as results.json of the report (name, state, metric, best,
    test, trials, leaderboard, openings, sessions, plan, plans, warm_start, environment), or with
    TRIAL that trial: number, state, score, recipe, sampled, epochs, error, notes, resumed_from,
    worker, session, started, ended, seconds and same_as.
    """
    from benchsweep import terminal
    from benchsweep.find import run_folder, trial_of
    from benchsweep.screen.tables import print_run, print_trial
    from search.records.sweep import Sweep

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
    from reports.analysis.benchmarks import read_benchmarks
    from reports.analysis.verdict import reproduce_command
    from reports.exports.results import results

    return results(sweep, read_benchmarks(), reproduce_command(sweep))
