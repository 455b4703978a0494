"""Checkpoints: a training's state in a safetensors file, written atomically. The previous one is kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from trainable.contract import TrainingState
from trainable.epoch import Epoch
from trainable.storage.durable import write_atomic
from trainable.storage.record_file import NotARecord, open_record
from trainable.storage.remote import RemoteFolder
from trainable.storage.state_tree import decode, encode

CheckpointLocation = Path | RemoteFolder
"""Where a training's checkpoints are stored: a file, with the previous one next to it, or a remote folder."""
_SLOTS = ("checkpoint.0.safetensors", "checkpoint.1.safetensors")


class DamagedCheckpoint(ValueError):
    """A file is not a complete checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after its last epoch."""

    state: TrainingState
    """What `state_dict` of the training returned."""
    epochs: tuple[Epoch, ...]
    """All epochs so far."""
    recipe: str = ""
    """The recipe as JSON."""

    def to_bytes(self) -> bytes:
        """Returns the content of the file. Raises TypeError or ValueError for a state that could not be read
        back as it is, and names the key."""
        arrays, plain = encode(self.state)
        metadata = {
            "state": json.dumps(plain),
            "epochs": json.dumps([epoch.to_json() for epoch in self.epochs], allow_nan=False),
            "recipe": self.recipe,
        }
        metadata["sha256"] = _digest(arrays, metadata)
        content: bytes = save(arrays, metadata=metadata)
        return content

    def write(self, path: Path) -> None:
        """Writes the file at `path`. Keeps the file that was there as `previous(path)`.

        Raises OSError (full disk), and what `to_bytes` raises. A checkpoint that was there is still there
        then.
        """
        content = self.to_bytes()
        if path.exists():
            path.replace(previous(path))
        write_atomic(path, content)

    def save(self, location: CheckpointLocation, before_retry: Callable[[], None] | None = None) -> None:
        """Stores the checkpoint and keeps the previous one.

        before_retry: called before each retry if remote storage does not answer. Raises OSError, and what
        `before_retry` raises.
        """
        if isinstance(location, RemoteFolder):
            # Object storage cannot rename, so the two latest checkpoints alternate between two names.
            location.write(_SLOTS[len(self.epochs) % 2], self.to_bytes(), before_retry)
        else:
            self.write(location)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Returns the checkpoint in a file. Raises DamagedCheckpoint, FileNotFoundError."""
        try:
            open_record(path).close()  # safetensors would wait for the writer of a FIFO
            with safe_open(path, framework="numpy") as file:
                return cls._of(file, str(path))
        except (SafetensorError, OSError, NotARecord) as error:
            if not (path.exists() or path.is_symlink()):
                raise FileNotFoundError(path) from error
            raise DamagedCheckpoint(f"{path} is not a complete checkpoint ({error})") from error

    @classmethod
    def parse(cls, content: bytes, name: str) -> Checkpoint:
        """Returns the checkpoint that `to_bytes` encoded, called `name` in errors. Raises
        DamagedCheckpoint."""
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
            file.write(content)
            file.flush()
            try:
                return cls.read(Path(file.name))
            except DamagedCheckpoint as error:
                raise DamagedCheckpoint(str(error).replace(file.name, name)) from error

    @classmethod
    def _of(cls, file: Any, name: str) -> Checkpoint:
        metadata = file.metadata() or {}
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        stored = metadata.pop("sha256", "")
        if _digest(arrays, metadata) != stored:
            raise DamagedCheckpoint(f"{name} is damaged: its content does not match the SHA-256 stored in it")
        epochs = tuple(Epoch.from_json(epoch) for epoch in json.loads(metadata["epochs"]))
        return cls(decode(arrays, json.loads(metadata["state"])), epochs, metadata["recipe"])


def previous(path: Path) -> Path:
    """Returns the path of the checkpoint before the one at `path`."""
    return path.with_stem(f"{path.stem}.previous")


def best_of(location: CheckpointLocation) -> CheckpointLocation:
    """Returns where the checkpoints of a training's best epoch are, whose latest ones are at `location`."""
    return location / "best" if isinstance(location, RemoteFolder) else location.with_stem("best")


def latest(
    location: CheckpointLocation, recipe: str | None = None, epochs: int | None = None
) -> tuple[Checkpoint | None, list[str]]:
    """Returns the latest valid checkpoint, or None, and a message for each one that was skipped.

    recipe: JSON; checkpoints of another recipe are skipped. None to accept any. epochs: only one of exactly
    so many is returned; None for any. Raises OSError if remote storage does not answer.
    """
    errors: list[str] = []
    valid: list[Checkpoint] = []
    for name, read in _candidates(location):
        try:
            checkpoint = read()
        except FileNotFoundError:
            continue
        except DamagedCheckpoint as error:
            errors.append(str(error))
            continue
        if recipe is not None and json.loads(checkpoint.recipe or "null") != json.loads(recipe):
            errors.append(f"{name} is a checkpoint of another recipe")
        elif epochs not in (None, len(checkpoint.epochs)):
            errors.append(f"{name} has {len(checkpoint.epochs)} epochs instead of {epochs}")
        elif isinstance(location, Path):
            return checkpoint, errors
        else:
            valid.append(checkpoint)
    return max(valid, key=lambda checkpoint: len(checkpoint.epochs), default=None), errors


def _candidates(location: CheckpointLocation) -> Iterator[tuple[str, Callable[[], Checkpoint]]]:
    """The name of each possible checkpoint, and a function that reads it. Local ones: latest first."""
    if isinstance(location, RemoteFolder):
        for slot in _SLOTS:
            name = f"{slot} in {location}"
            yield name, partial(_download, location, slot, name)
    else:
        for path in (location, previous(location)):
            yield str(path), partial(Checkpoint.read, path)


def _download(folder: RemoteFolder, slot: str, name: str) -> Checkpoint:
    return Checkpoint.parse(folder.read(slot), name)


def remove(location: CheckpointLocation) -> None:
    """Removes all checkpoints of a training."""
    if isinstance(location, RemoteFolder):
        for slot in _SLOTS:
            location.remove(slot)
    else:
        for path in (location, previous(location)):
            path.unlink(missing_ok=True)


def unstorable(state: TrainingState) -> list[str]:
    """Returns why a state could not be read back from a checkpoint as it is, one sentence an entry."""
    faults = []
    for part in [{name: value} for name, value in state.items()] if isinstance(state, Mapping) else [state]:
        try:
            encode(part)
        except (TypeError, ValueError) as error:
            faults.append(str(error))
    return faults


def _digest(arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
