"""Whose a trial is: the worker that was sent last, whatever became of those before.

A worker that was cut off goes on until it finds out. It looks before it stores anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trainable.durable import write_whole
from trainable.remote import RemoteFolder

_NAME = "claim.json"


class Superseded(RuntimeError):
    """Another worker was sent for the trial since."""


@dataclass(frozen=True)
class Claim:
    """On the trial in `folder`. number: (start of the search, which worker of it), later ones larger. driver:
    a number that another process, which searches a copy of the same run, has not."""

    folder: Path | RemoteFolder
    number: tuple[int, int]
    driver: int = 0

    def make(self) -> None:
        """Take the trial from every worker before. Raises Superseded, and OSError."""
        if self.check():
            return
        content = json.dumps([*self.number, self.driver]).encode()
        if isinstance(self.folder, RemoteFolder):
            self.folder.write(_NAME, content)
        else:
            write_whole(self.folder / _NAME, content)

    def check(self) -> bool:
        """Whether the trial is this worker's. Raises Superseded once another one has it, and OSError."""
        try:
            if isinstance(self.folder, RemoteFolder):
                content = self.folder.read(_NAME)
            else:
                content = (self.folder / _NAME).read_bytes()
        except FileNotFoundError:
            return False
        start, worker, driver = json.loads(content)
        same = (start, worker) == self.number
        if (start, worker) > self.number or (same and driver != self.driver):
            raise Superseded(
                f"the trial in {self.folder} is another worker's now: where no other one was sent by this "
                f"search, a copy of the run is searched elsewhere; go on with that one"
            )
        return same
