"""`benchsweep stop`: ask the process that searches a run to stop, from any host that sees its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.errors import FAILURE, Interrupted
from benchsweep.options import RUNS, JsonOption, RunArgument, RunsOption

if TYPE_CHECKING:
    from benchsweep.progress.run_status import RunStatus
    from search.records.folder import RunFolder
    from search.records.lease import Owner

_EVERY = 0.2
"""Seconds between two looks at who owns the run."""


def stop(
    run: RunArgument,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for its end.")
    ] = 60,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Stop a run that is searched in another terminal, or on another host, as one Ctrl-C there would.

    Its trials keep their last finished epoch, and `benchsweep resume` continues them. The request
    is a file in the run's folder, for which the search looks every few seconds.

    --json prints one object: name, state (as in `status`), stopped (whether nobody runs it now),
    owner (host, pid, since) of the process that runs it still or null, waited (seconds), next (the
    command to type now) or null.

    Exit codes: 0 nobody runs it, 1 it runs still, and the request stays.
    """
    import time
    from datetime import UTC, datetime

    from benchsweep import terminal
    from benchsweep.find import run_folder
    from benchsweep.progress.run_status import RunStatus, next_command
    from benchsweep.screen.status import going_on
    from search.records.lock import owner_of

    folder = run_folder(run, runs)
    began = time.monotonic()
    asked = holder = owner_of(folder.lock)
    if asked is not None:
        _ask(folder)
        try:
            while holder is not None and not _another(holder, asked) and time.monotonic() - began < wait:
                time.sleep(_EVERY)
                holder = owner_of(folder.lock)
        except KeyboardInterrupt:
            raise Interrupted(f"the request stays: {folder.name} ends when its process sees it") from None
    waited = time.monotonic() - began
    if holder is None:
        folder.stop_request.unlink(missing_ok=True)  # of an owner that ended before it saw it
    standing = RunStatus.read(folder, datetime.now(UTC))
    command = None if holder else next_command(standing)
    if json:
        told = {"name": folder.name, "state": standing.sweep.status, "stopped": holder is None}
        owner = None if holder is None else {"host": holder.host, "pid": holder.pid, "since": holder.since}
        terminal.print_json({**told, "owner": owner, "waited": waited, "next": command})
    else:
        out = terminal.out()
        for sentence in _told(standing, asked, holder, waited):
            terminal.say(out, sentence)
        if command is not None:
            out.print(going_on(standing, command), soft_wrap=True)
    if holder is not None:
        raise typer.Exit(FAILURE)


def _ask(folder: RunFolder) -> None:
    """Leave the request. It is told by whom it is, for those who find it."""
    import os
    import socket
    from datetime import UTC, datetime

    from trainable.storage.durable import write_json

    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder.stop_request, {"host": socket.gethostname(), "pid": os.getpid(), "time": now})


def _another(holder: Owner, asked: Owner) -> bool:
    """Whether the run has been let go and taken again. Who writes its name just now has no pid yet."""
    return holder != asked and bool(holder.pid and asked.pid)


def _told(standing: RunStatus, asked: Owner | None, holder: Owner | None, waited: float) -> list[str]:
    import socket

    from reports.formatting.wording import duration, moment, plural
    from search.records.sweep import State

    sweep = standing.sweep
    if asked is None:
        seen = "" if standing.last_seen is None else f", last seen {moment(standing.last_seen)}"
        return [f"{sweep.name} is not running: it is {sweep.status}{seen}"]
    if holder is None and sweep.status == "finished":
        return [f"{sweep.name} came to its end: its budget is spent"]
    if holder is None:
        over = sweep.count() - sweep.count(State.RUNNING, State.INTERRUPTED)
        limit = standing.progress.limits.trials
        done = f"{over:,} of {plural(limit, 'trial')}" if limit else plural(over, "trial")
        return [f"{sweep.name} has stopped, {duration(waited)} after it was asked to: {done} finished"]
    who = f"process {holder.pid} on {holder.host}, since {holder.since}"
    if _another(holder, asked):
        return [f"process {asked.pid} has let {sweep.name} go, but it is held again, by {who}"]
    where = "" if holder.host == socket.gethostname() else f" on {holder.host}"
    return [
        f"{sweep.name} is still held by {who}, {duration(waited)} after it was asked to stop",
        f"The request stays, and is heeded when it is seen. `kill {holder.pid}`{where} asks likewise; given "
        f"twice, it ends the process at once, and even then every finished epoch is kept.",
    ]
