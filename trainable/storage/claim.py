"""Whose a trial is: the worker that was sent last, whatever became of those before.

A worker that was cut off goes on until it finds out. It looks before it stores anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trainable.storage.durable import write_atomic
from trainable.storage.remote import RemoteFolder

_NAME = "claim.json"


class Superseded(RuntimeError):
    """Another worker was sent for the trial since."""


@dataclass(frozen=True)
class Claim:
    """On the trial in `folder`. driver: a random number of the process that searches. worker: which one of
    those that it sent for this trial, later ones larger. Of two processes the one that claims last has it:
    a run has one owner, and another one searches a copy."""

    folder: Path | RemoteFolder
    driver: int
    worker: int

    def make(self) -> None:
        """Take the trial from every worker before. Raises Superseded, and OSError."""
        held = self._held()
        if held is not None and held[0] == self.driver and held[1] > self.worker:
            raise self._lost()
        content = json.dumps([self.driver, self.worker]).encode()
        if isinstance(self.folder, RemoteFolder):
            self.folder.write(_NAME, content)
        else:
            write_atomic(self.folder / _NAME, content)

    def check(self) -> None:
        """Raise Superseded unless the trial is this worker's, and OSError."""
        held = self._held()
        if held is None:
            self.make()
        elif held != (self.driver, self.worker):
            raise self._lost()

    def _held(self) -> tuple[int, int] | None:
        try:
            if isinstance(self.folder, RemoteFolder):
                content = self.folder.read(_NAME)
            else:
                content = (self.folder / _NAME).read_bytes()
        except FileNotFoundError:
            return None
        driver, worker = json.loads(content)
        return driver, worker

    def _lost(self) -> Superseded:
        return Superseded(
            f"the trial in {self.folder} is another worker's now: where this search sent no other one, a "
            f"copy of the run is searched elsewhere; go on with that one"
        )
