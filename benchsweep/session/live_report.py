"""The live report: another process writes it every minute, so that the search loses no time."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.records.folder import RunFolder

INTERVAL = 60.0
"""Seconds between two reports, at least."""


@contextmanager
def live_report(run: RunFolder, interval: float = INTERVAL) -> Iterator[None]:
    """Inside, the run's report is written every `interval` seconds, with the lowest priority. Its errors go
    to the run's log and stop nothing."""
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(run, interval, stop), name="live report", daemon=True)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def _write(run: RunFolder, interval: float, stop: threading.Event) -> None:
    command = ["nice", "-n", "19", sys.executable, "-m", "benchsweep", "report", str(run.path)]
    while not stop.wait(interval):
        # In a session of its own, so that a Ctrl-C for the search does not end it.
        with (
            run.log.open("ab") as log,
            subprocess.Popen(
                command,
                cwd=Path.cwd(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            while process.poll() is None:
                if stop.wait(0.2):
                    process.terminate()
                    process.wait()
