"""`benchsweep watch`: a live page of runs in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, RunsOption


def watch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN...]",
            help="Names or folders of runs, up to 8. Default: the newest run.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option("--port", metavar="N", min=0, max=65535, help="The port, or 0 for any that is free."),
    ] = 0,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    runs: RunsOption = RUNS,
) -> None:
    """Show runs live in a browser, while they are searched.

    The page shows each run's state, progress, curves and trials, several runs next to each other. An epoch
    appears within two seconds; a run that dies or is resumed says so. It only reads the runs' folders, so it
    can be started and ended at any time, on any host that sees them.

    The server listens on 127.0.0.1 only, and answers only to the address that is printed, which holds a
    secret token. From another machine, use `ssh -L PORT:127.0.0.1:PORT`.

    Exit codes: 0 Ctrl-C, which ends only the page, 2 no such run, or the port is taken.
    """
    from benchsweep.actions.watch import watch_runs

    watch_runs(names, port, open_it, runs)
