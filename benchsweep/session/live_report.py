"""The report of a search that runs, written again every minute: by another process, which takes no time from
the search's own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.records.folder import RunFolder

MINUTE = 60.0
"""Seconds from one writing to the next, at least."""


@contextmanager
def live_report(run: RunFolder, every: float = MINUTE) -> Iterator[None]:
    """Inside, the run's report is written every so many seconds, at the lowest priority. What goes wrong with
    it is in the run's log, and stops nothing."""
    over = threading.Event()
    writer = threading.Thread(target=_write, args=(run, every, over), name="live report", daemon=True)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def _write(run: RunFolder, every: float, over: threading.Event) -> None:
    command = ["nice", "-n", "19", sys.executable, "-m", "benchsweep", "report", str(run.path)]
    while not over.wait(every):
        # A session of its own: a Ctrl-C that is meant for the search would cut it short.
        with (
            run.log.open("ab") as log,
            subprocess.Popen(
                command,
                cwd=Path.cwd(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as written,
        ):
            while written.poll() is None:
                if over.wait(0.2):
                    written.terminate()
                    written.wait()
