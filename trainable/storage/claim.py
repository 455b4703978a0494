"""A worker's claim to a trial, so that only the worker that was sent last stores anything.

A worker that has lost its driver keeps training until it notices that another worker has claimed the trial.
It checks before every write.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trainable.storage.durable import write_atomic
from trainable.storage.remote import RemoteFolder

_NAME = "claim.json"


class Superseded(RuntimeError):
    """Another worker has claimed the trial."""


@dataclass(frozen=True)
class Claim:
    """A worker's claim to the trial in a folder.

    Between the workers of one driver, the one that was sent last owns the trial. Between two drivers, the
    last to claim it does: a run has one owner, so the other driver searches a copy of the run.
    """

    folder: Path | RemoteFolder
    """The folder of the trial's checkpoints."""
    driver: int
    """A random number that identifies the driver."""
    worker: int
    """Number of this worker among those that the driver sent for the trial."""

    def acquire(self) -> None:
        """Takes the trial from all earlier workers. Raises Superseded, and OSError."""
        owner = self._owner()
        if owner is not None and owner[0] == self.driver and owner[1] > self.worker:
            raise self._superseded()
        content = json.dumps([self.driver, self.worker]).encode()
        if isinstance(self.folder, RemoteFolder):
            self.folder.write(_NAME, content)
        else:
            write_atomic(self.folder / _NAME, content)

    def check(self) -> None:
        """Raises Superseded if another worker has claimed the trial, and OSError."""
        owner = self._owner()
        if owner is None:
            self.acquire()
        elif owner != (self.driver, self.worker):
            raise self._superseded()

    def _owner(self) -> tuple[int, int] | None:
        """Returns the driver and the worker of the stored claim, or None if there is none."""
        try:
            if isinstance(self.folder, RemoteFolder):
                content = self.folder.read(_NAME)
            else:
                content = (self.folder / _NAME).read_bytes()
        except FileNotFoundError:
            return None
        driver, worker = json.loads(content)
        return driver, worker

    def _superseded(self) -> Superseded:
        return Superseded(
            f"another worker has claimed the trial in {self.folder}; if this search did not send it, a copy "
            f"of the run is being searched elsewhere: continue with that copy"
        )
