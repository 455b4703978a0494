"""A training's state on disk: one safetensors file, whole or absent, with the one before it kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from trainable.contract import State
from trainable.durable import write_whole
from trainable.epoch import Epoch


class DamagedCheckpoint(ValueError):
    """The file is not a whole checkpoint; says which and how that was seen."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands: its state, the epochs that led there, and whose it is: the recipe,
    as JSON."""

    state: State
    epochs: tuple[Epoch, ...]
    recipe: str = ""

    def write(self, path: Path) -> None:
        """Replace the file at `path`, keeping the one it replaces as `previous(path)`.

        Raises OSError (full disk) and then leaves a checkpoint behind if there was one.
        """
        arrays = {name: np.asarray(value) for name, value in self.state.items() if _is_array(value)}
        plain = {name: value for name, value in self.state.items() if not _is_array(value)}
        metadata = {
            "state": json.dumps(plain, allow_nan=False),
            "epochs": json.dumps([epoch.to_json() for epoch in self.epochs], allow_nan=False),
            "recipe": self.recipe,
        }
        metadata["sha256"] = _digest(arrays, metadata)
        content = save(arrays, metadata=metadata)
        if path.exists():
            path.replace(previous(path))
        write_whole(path, content)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """The checkpoint in the file. Raises DamagedCheckpoint, or FileNotFoundError."""
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            if not path.exists():
                raise FileNotFoundError(path) from error
            raise DamagedCheckpoint(f"{path} is not a whole checkpoint ({error})") from error
        stored = metadata.pop("sha256", "")
        if _digest(arrays, metadata) != stored:
            raise DamagedCheckpoint(f"{path} is damaged: its content does not have the SHA-256 stored in it")
        epochs = tuple(Epoch.from_json(epoch) for epoch in json.loads(metadata["epochs"]))
        return cls({**arrays, **json.loads(metadata["state"])}, epochs, metadata["recipe"])


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` lies."""
    return path.with_stem(f"{path.stem}.previous")


def latest(path: Path, recipe: str | None = None) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint of a training, or None; and a sentence for each that was passed
    over: damaged, or of another recipe than the one given (JSON; any, when None)."""
    faults: list[str] = []
    for candidate in (path, previous(path)):
        try:
            found = Checkpoint.read(candidate)
        except FileNotFoundError:
            continue
        except DamagedCheckpoint as error:
            faults.append(str(error))
            continue
        if recipe is None or json.loads(found.recipe or "null") == json.loads(recipe):
            return found, faults
        faults.append(f"{candidate} is of another recipe")
    return None, faults


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _digest(arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
