"""`benchsweep show`: a run, or one of its trials."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, OptionalRunArgument, RunsOption


def show(
    run: OptionalRunArgument = None,
    trial: Annotated[
        str | None, typer.Argument(metavar="[TRIAL]", help="A trial's number, or best.", show_default=False)
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Show a run, or one of its trials.

    Of a run it shows the plan, the best trials and the leaderboard; of a trial, its recipe and epochs.

    --json prints one object. For a run it is results.json of the report: name, state, metric, best, top,
    test, trials, leaderboard, openings, sessions, plan, plans, warm_start, environment and more. For a trial:
    number, state, score, recipe, sampled, epochs, error, notes, resumed_from, pauses, requested,
    audited, worker, session, started, ended, seconds and same_as.
    """
    from benchsweep.actions.show import show_run

    show_run(run, trial, runs, json)
