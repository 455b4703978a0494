"""`benchsweep stop`: leaves a stop request in the run's folder and waits for its effect."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE, Interrupted
from benchsweep.find import run_folder
from benchsweep.progress.run_status import RunStatus, next_command
from benchsweep.screen.status import next_step
from reports.formatting.wording import duration, moment, plural
from search.records.folder import RunFolder
from search.records.lease import Owner
from search.records.lock import owner_of
from trainable.storage.durable import write_json

_INTERVAL = 0.2
"""Seconds between two checks of who owns the run."""


def stop_run(run: str, wait: float, runs: Path, json: bool) -> None:
    """Requests the stop and waits up to `wait` seconds. Exits with 1 if the run still has an owner."""
    folder = run_folder(run, runs)
    began = time.monotonic()
    first_owner = owner = owner_of(folder.lock)
    if first_owner is not None:
        _request_stop(folder)
        try:
            while owner is not None and not _changed(owner, first_owner) and time.monotonic() - began < wait:
                time.sleep(_INTERVAL)
                owner = owner_of(folder.lock)
        except KeyboardInterrupt:
            raise Interrupted(
                f"the request stays: {folder.name} stops as soon as its process sees it"
            ) from None
    waited = time.monotonic() - began
    if owner is None:
        folder.stop_request.unlink(missing_ok=True)  # the owner may have ended without seeing it
    status = RunStatus.read(folder, datetime.now(UTC))
    command = None if owner else next_command(status)
    if json:
        terminal.print_json(
            {
                "name": folder.name,
                "state": status.sweep.status,
                "stopped": owner is None,
                "owner": None
                if owner is None
                else {"host": owner.host, "pid": owner.pid, "since": owner.since},
                "waited": waited,
                "next": command,
            }
        )
    else:
        out = terminal.out()
        for sentence in _sentences(status, first_owner, owner, waited):
            terminal.say(out, sentence)
        if command is not None:
            out.print(next_step(status, command), soft_wrap=True)
    if owner is not None:
        raise typer.Exit(FAILURE)


def _request_stop(folder: RunFolder) -> None:
    """Write the request, with who made it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder.stop_request, {"host": socket.gethostname(), "pid": os.getpid(), "time": now})


def _changed(owner: Owner, first_owner: Owner) -> bool:
    """Whether the run was released and has a new owner. While an owner writes its name, its pid reads as
    0."""
    return owner != first_owner and bool(owner.pid and first_owner.pid)


def _sentences(status: RunStatus, first_owner: Owner | None, owner: Owner | None, waited: float) -> list[str]:
    sweep = status.sweep
    if first_owner is None:
        seen = "" if status.last_seen is None else f", last seen {moment(status.last_seen)}"
        return [f"{sweep.name} is not running: it is {sweep.status}{seen}"]
    if owner is None and sweep.status == "finished":
        return [f"{sweep.name} has finished: its budget is spent"]
    if owner is None:
        ended = sum(trial.state.is_finished() for trial in sweep.trials)
        limit = status.progress.limits.trials
        done = f"{ended:,} of {plural(limit, 'trial')}" if limit else plural(ended, "trial")
        return [f"{sweep.name} stopped {duration(waited)} after the request: {done} finished"]
    process = f"process {owner.pid} on {owner.host}, since {owner.since}"
    if _changed(owner, first_owner):
        return [f"process {first_owner.pid} released {sweep.name}, but it is running again, in {process}"]
    where = "" if owner.host == socket.gethostname() else f" on {owner.host}"
    return [
        f"{sweep.name} is still running {duration(waited)} after the request, in {process}",
        f"The request stays, and the process stops when it sees it. `kill {owner.pid}`{where} requests the "
        f"same; a second `kill` ends the process at once, and even then every finished epoch is kept.",
    ]
