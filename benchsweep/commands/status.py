"""`benchsweep status`: the progress of a run, from any terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, OptionalRunArgument, RunsOption


def status(
    run: OptionalRunArgument = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Continue until the run ends.")] = False,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Show the progress of a run.

    It only reads the run's folder, so it works on every host that has access to the folder and does not
    disturb the search. --watch updates every second, less often for large runs, until the run ends; if
    stdout is not a terminal, it prints a line for each change.

    --json prints one object: name, folder, state (running, finished, interrupted or empty), phase of a
    running one (starting, searching or closing), owner (host, pid, since) or null, stop_asked, last_seen,
    next (the command to type next) or null; metric; budget (trials, wall_time and epochs, each with spent and
    limit); trials (total, the number in each state, and repeated: those that only repeat the recipe of
    another trial); active_trials (those that have not ended: trial, state, waiting, epochs, planned, score,
    seconds_since_epoch, worker, sampled); best (trial, score, sampled: what the confirmation chose, if any)
    or null; top (the same: the top score in the search) or null; remaining (seconds) or null; starts; plans
    (the versions of the plan: number, since, trials by then, changes); warm_start (run, taken, sentence) or
    null. With --watch, it prints one such object on a line for each change.

    Exit codes: 0, also when the watched run ends; 130 Ctrl-C, which ends only the watching.
    """
    from benchsweep.actions.status import show_status

    show_status(run, watch, runs, json)
