"""`benchsweep status`: how far a run is, from any terminal, without disturbing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.errors import INTERRUPTED
from benchsweep.options import RUNS, JsonOption, RunArgument, RunsOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchsweep.progress.run_status import RunStatus

_SHORTEST = 1.0
"""Seconds between two readings, at least."""

_PATIENCE = 5
"""Seconds between two readings for each second that one takes: watching must cost the search little."""


def status(
    run: RunArgument,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until the run ends.")] = False,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Show how far a run is: one that is searched now, in whatever terminal, or one that was.

    It reads the run's folder alone, so it may be given on any host that sees it. --watch shows it
    anew every second, on large runs more seldom, until the run ends; where stdout is no terminal
    it prints a line for each change.

    --json prints one object: name, folder, state (running, finished, interrupted, empty), phase
    (of a running one: starting, searching or closing), owner (host, pid, since) or null,
    stop_asked, last_seen, next (the command to type now) or null; metric; budget (trials,
    wall_time and epochs, each with spent and limit); trials (total, how many are in each state,
    and repeated: those that only repeat another one's recipe); works (trials that are not over:
    trial, state, waiting, epochs, planned, score, seconds_since_epoch, worker, sampled); best
    (trial, score, sampled) or null; remaining (seconds) or null; starts; plans (the versions of the
    plan: number, since, trials there were then, changes); warm_start (run, taken, sentence) or
    null. With --watch, one such object a line whenever something happened.

    Exit codes: 0, also at the end of a run that is watched; 130 Ctrl-C, which ends the watching
    alone.
    """
    from datetime import UTC, datetime

    from benchsweep import terminal
    from benchsweep.find import run_folder
    from benchsweep.progress.run_status import RunStatus, next_command
    from benchsweep.screen.status import line, picture

    folder = run_folder(run, runs)

    def read() -> RunStatus:
        return RunStatus.read(folder, datetime.now(UTC))

    def plain(standing: RunStatus) -> dict[str, object]:
        return {**standing.to_json(), "next": next_command(standing)}

    if json and not watch:
        terminal.print_json(plain(read()))
    elif json:
        _watch(read, _changes(lambda standing: terminal.json_line(plain(standing))))
    elif not watch:
        console = terminal.out()
        for part in picture(standing := read(), next_command(standing)):
            console.print(part, soft_wrap=not console.is_terminal)
    elif terminal.out().is_terminal:
        import signal
        import sys

        from rich.console import Group
        from rich.live import Live

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cursor comes back
        with Live(console=terminal.out(), auto_refresh=False) as live:

            def draw(standing: RunStatus) -> None:
                parts = picture(standing, next_command(standing))
                live.update(Group(*parts), refresh=True)

            _watch(read, draw)
    else:
        _watch(read, _changes(lambda standing: f"{line(standing)}\n"))


def _watch(read: Callable[[], RunStatus], show: Callable[[RunStatus], None]) -> None:
    """Show the run until nobody runs it any more."""
    import time

    try:
        while True:
            began = time.monotonic()
            standing = read()
            show(standing)
            if not standing.sweep.alive:
                return
            time.sleep(max(_SHORTEST, _PATIENCE * (time.monotonic() - began)))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _changes(line: Callable[[RunStatus], str]) -> Callable[[RunStatus], None]:
    """Print a line for each standing in which something happened since the one before."""
    import sys

    last: list[object] = []

    def show(standing: RunStatus) -> None:
        if last != [standing.figures]:
            last[:] = [standing.figures]
            sys.stdout.write(line(standing))
            sys.stdout.flush()

    return show
