"""`benchsweep status`: prints the progress of a run, once or until it ends."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Group
from rich.live import Live

from benchsweep import terminal
from benchsweep.errors import INTERRUPTED
from benchsweep.find import run_or_newest
from benchsweep.progress.run_status import RunStatus, next_command
from benchsweep.screen.status import line, picture

_MIN_INTERVAL = 1.0
"""Seconds between two readings, at least."""

_INTERVAL_FACTOR = 5
"""Seconds between two readings for each second that a reading takes: watching must not slow the search."""


def show_status(run: str | None, watch: bool, runs: Path, json: bool) -> None:
    """Prints the status once, or with `watch` until no process runs it any more."""
    folder = run_or_newest(run, runs)

    def read() -> RunStatus:
        return RunStatus.read(folder, datetime.now(UTC))

    if not watch:
        status = read()
        if status.sweep.damage is not None:
            terminal.say(terminal.err(), f"damaged: {status.sweep.damage}")
        if json:
            terminal.print_json(_as_json(status))
            return
        console = terminal.out()
        for part in picture(status, next_command(status), console.width):
            console.print(part, soft_wrap=not console.is_terminal)
    elif json:
        watch_run(read, _print_changes(lambda status: terminal.json_line(_as_json(status))))
    elif terminal.out().is_terminal:
        _watch_live(read)
    else:
        watch_run(read, _print_changes(lambda status: f"{terminal.printable(line(status))}\n"))


def _as_json(status: RunStatus) -> dict[str, Any]:
    return {**status.to_json(), "next": next_command(status)}


def _watch_live(read: Callable[[], RunStatus]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves `Live`, which restores the cursor
    with Live(console=terminal.out(), auto_refresh=False) as live:

        def draw(status: RunStatus) -> None:
            width = live.console.width
            live.update(Group(*picture(status, next_command(status), width)), refresh=True)

        watch_run(read, draw)


def watch_run(read: Callable[[], RunStatus], show: Callable[[RunStatus], None]) -> None:
    """Show the run until no process runs it any more."""
    try:
        while True:
            began = time.monotonic()
            status = read()
            show(status)
            if not status.sweep.alive:
                return
            time.sleep(max(_MIN_INTERVAL, _INTERVAL_FACTOR * (time.monotonic() - began)))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _print_changes(line: Callable[[RunStatus], str]) -> Callable[[RunStatus], None]:
    """Prints a line for each status in which something happened since the previous one."""
    last: tuple[Any, ...] | None = None

    def show(status: RunStatus) -> None:
        nonlocal last
        if status.figures != last:
            last = status.figures
            sys.stdout.write(line(status))
            sys.stdout.flush()

    return show
