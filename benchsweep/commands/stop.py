"""`benchsweep stop`: stops a search from another terminal or host."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, RunArgument, RunsOption


def stop(
    run: RunArgument,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait until it has stopped.")
    ] = 60,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Stop a run that another terminal or another host searches.

    The effect is that of one Ctrl-C there: the trials keep their last finished epoch, and `benchsweep
    resume` continues them. The request is a file in the run's folder, which the search checks every few
    seconds.

    --json prints one object: name, state (as in `status`), stopped (whether the run has no owner now),
    owner (host, pid, since) of the process that still runs it or null, waited (seconds), next (the command
    to type next) or null.

    Exit codes: 0 nobody runs it, 1 it is still running, and the request stays.
    """
    from benchsweep.actions.stop import stop_run

    stop_run(run, wait, runs, json)
