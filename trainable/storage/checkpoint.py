"""A training's state on disk: one safetensors file, whole or absent, with the one before it kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
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
from trainable.storage.remote import RemoteFolder

CheckpointLocation = Path | RemoteFolder
"""Where a training's checkpoints lie: a file, beside which the one before it lies, or a folder of them."""
_SLOTS = ("checkpoint.0.safetensors", "checkpoint.1.safetensors")


class DamagedCheckpoint(ValueError):
    """The file is not a whole checkpoint; says which and how that was seen."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands: its state, the epochs that led there, and whose it is: the recipe,
    as JSON."""

    state: TrainingState
    epochs: tuple[Epoch, ...]
    recipe: str = ""

    def to_bytes(self) -> bytes:
        """As the file holds it."""
        arrays = {name: np.asarray(value) for name, value in self.state.items() if _is_array(value)}
        plain = {name: value for name, value in self.state.items() if not _is_array(value)}
        metadata = {
            "state": json.dumps(plain, allow_nan=False),
            "epochs": json.dumps([epoch.to_json() for epoch in self.epochs], allow_nan=False),
            "recipe": self.recipe,
        }
        metadata["sha256"] = _digest(arrays, metadata)
        content: bytes = save(arrays, metadata=metadata)
        return content

    def write(self, path: Path) -> None:
        """Replace the file at `path`, keeping the one it replaces as `previous(path)`.

        Raises OSError (full disk) and then leaves a checkpoint behind if there was one.
        """
        content = self.to_bytes()
        if path.exists():
            path.replace(previous(path))
        write_atomic(path, content)

    def keep(self, place: CheckpointLocation, again: Callable[[], None] | None = None) -> None:
        """Write it to where a trial's checkpoints lie, keeping the one before. again: called before each
        further try, where a store did not answer. Raises OSError, and what `again` raises."""
        if isinstance(place, RemoteFolder):
            # Nothing is renamed there, so the one before lies under the other name.
            place.write(_SLOTS[len(self.epochs) % 2], self.to_bytes(), again)
        else:
            self.write(place)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """The checkpoint in the file. Raises DamagedCheckpoint, or FileNotFoundError."""
        try:
            with safe_open(path, framework="numpy") as file:
                return cls._of(file, str(path))
        except (SafetensorError, OSError) as error:
            if not path.exists():
                raise FileNotFoundError(path) from error
            raise DamagedCheckpoint(f"{path} is not a whole checkpoint ({error})") from error

    @classmethod
    def parse(cls, content: bytes, name: str) -> Checkpoint:
        """The checkpoint that `to_bytes` made. name: what a fault calls it. Raises DamagedCheckpoint."""
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
            raise DamagedCheckpoint(f"{name} is damaged: its content does not have the SHA-256 stored in it")
        epochs = tuple(Epoch.from_json(epoch) for epoch in json.loads(metadata["epochs"]))
        return cls({**arrays, **json.loads(metadata["state"])}, epochs, metadata["recipe"])


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` lies."""
    return path.with_stem(f"{path.stem}.previous")


def latest(place: CheckpointLocation, recipe: str | None = None) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint of a training, or None; and a sentence for each that was passed
    over: damaged, or of another recipe than the one given (JSON; any, when None). Raises OSError where
    remote storage does not answer."""
    faults: list[str] = []
    whole: list[Checkpoint] = []
    for name, read in _candidates(place):
        try:
            found = read()
        except FileNotFoundError:
            continue
        except DamagedCheckpoint as error:
            faults.append(str(error))
            continue
        if recipe is not None and json.loads(found.recipe or "null") != json.loads(recipe):
            faults.append(f"{name} is of another recipe")
        elif isinstance(place, Path):
            return found, faults
        else:
            whole.append(found)
    return max(whole, key=lambda each: len(each.epochs), default=None), faults


def _candidates(place: CheckpointLocation) -> Iterator[tuple[str, Callable[[], Checkpoint]]]:
    """What may be a training's checkpoint: its name, and how it is read. Of a local one the newest first."""
    if isinstance(place, RemoteFolder):
        for slot in _SLOTS:
            name = f"{slot} in {place}"
            yield name, partial(_fetched, place, slot, name)
    else:
        for path in (place, previous(place)):
            yield str(path), partial(Checkpoint.read, path)


def _fetched(place: RemoteFolder, slot: str, name: str) -> Checkpoint:
    return Checkpoint.parse(place.read(slot), name)


def remove(place: CheckpointLocation) -> None:
    """Remove all checkpoints of a training."""
    if isinstance(place, RemoteFolder):
        for slot in _SLOTS:
            place.remove(slot)
    else:
        for path in (place, previous(place)):
            path.unlink(missing_ok=True)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _digest(arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
