"""The epochs of one trial, a JSON line each: `epochs.jsonl` in the trial's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainable.epoch import Epoch
from trainable.errors import BenchsweepError
from trainable.storage.durable import write_atomic
from trainable.storage.record_file import parse_json, read_record

_TAIL = 65536
"""Bytes at the end of the file that are searched for the last line."""


@dataclass(frozen=True, slots=True)
class EpochLog:
    """The epochs that one trial has trained. Allows one writer at a time and any number of readers."""

    folder: Path
    """The trial's folder."""

    @property
    def path(self) -> Path:
        """Path of the file, which may not exist."""
        return self.folder / "epochs.jsonl"

    def append(self, epoch: Epoch) -> None:
        """Stores an epoch. Replaces the epochs with the same or a higher number.

        Raises OSError, which names the file.
        """
        line = _line(epoch)
        if self._last_number() != epoch.number - 1:
            # The file is new, the epoch was trained again, or the last write was cut short. Truncating the
            # file in place would let a reader see the beginning of one line and the end of another.
            lines = _lines(self.path.read_text(errors="replace")) if self.path.exists() else []
            write_atomic(self.path, "".join(f"{kept}\n" for kept in lines[: epoch.number - 1]) + line)
            return
        try:
            with self.path.open("a") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = error.filename or str(self.path)  # a full disk does not name the file
            raise

    def restore(self, epochs: Sequence[Epoch]) -> None:
        """Makes the log begin with the epochs of the checkpoint from which the trial is resumed.

        Raises OSError, which names the file.
        """
        try:
            complete = self.read()[: len(epochs)] == tuple(epochs)
        except (FileNotFoundError, ValueError):
            complete = False
        if not complete:
            write_atomic(self.path, "".join(map(_line, epochs)))

    def read(self) -> tuple[Epoch, ...]:
        """Returns the epochs in order. A last line that was cut short is ignored.

        Raises FileNotFoundError, NotARecord, and ValueError if another line is not an epoch.
        """
        epochs = []
        for number, line in enumerate(_lines(read_record(self.path)), 1):
            try:
                epochs.append(Epoch.from_json(parse_json(line)))
            except (ValueError, TypeError, AttributeError, OverflowError, BenchsweepError) as error:
                raise ValueError(f"line {number} is not an epoch: {error}") from error
        return tuple(epochs)

    def _last_number(self) -> int | None:
        """Returns the number of the last epoch, or None if there is no complete last line."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                tail = file.read()
            if not tail.endswith(b"\n"):
                return None
            return int(json.loads(tail.splitlines()[-1])["number"])
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            return None


def _line(epoch: Epoch) -> str:
    return json.dumps(epoch.to_json(), allow_nan=False) + "\n"


def _lines(content: str) -> list[str]:
    """Returns the lines, without a last one that was cut short: it has no line break and is not JSON."""
    lines = content.splitlines()
    if lines and not content.endswith("\n"):
        try:
            json.loads(lines[-1])
        except ValueError:
            return lines[:-1]
    return lines
