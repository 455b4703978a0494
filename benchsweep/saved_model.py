"""Finds the saved model that a user named, and what is known about it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from benchsweep.errors import UsageError
from benchsweep.find import run_folder
from search.records.folder import NotARun, RunFolder
from search.records.sweep import Sweep
from trainable.contract import attribute_of, load_trainable
from trainable.errors import InputError
from trainable.record import from_record

DEFAULT_TRAINABLE = "trainable.mlp"
_READERS = {DEFAULT_TRAINABLE: "trainable.mnist.saved"}
"""The module with SavedModel, for a trainable that does not import it itself because it loads torch."""


class NoSavedModel(InputError):
    """The trainable has no SavedModel, or one that cannot do what the command needs."""


@dataclass(frozen=True)
class ModelLocation:
    """A saved model that has not been read yet."""

    path: Path
    """Its file or its folder."""
    run: RunFolder | None
    """The run whose folder contains it; None if there is none."""
    trainable: str
    """The trainable's module."""
    data: Mapping[str, Any] | None
    """The [data] table it was trained with; None if that is unknown."""
    data_from: str
    """Where that table was found; empty if it is unknown."""
    code: Path | None = None
    """The folder in which the trainable's module is looked for first; None for the current one."""

    @property
    def name(self) -> str:
        """The name of a file made from it: that of the run, the folder or the file."""
        return self.path.name if self.path.is_dir() else self.folder.name or self.path.stem

    @property
    def folder(self) -> Path:
        """The folder that contains it."""
        return self.path if self.path.is_dir() else self.path.absolute().parent

    def reader(self) -> Any:
        """The trainable's SavedModel. Raises NoSavedModel, NotATrainable."""
        if attribute_of(self.trainable) is not None:
            raise NoSavedModel(
                f"{self.path} holds no model that this command can read: {self.trainable} has no SavedModel, "
                f"and a function has no test split",
                "read the files that it saved with the library that it uses",
            )
        reader = getattr(load_trainable(self.trainable, self.code), "SavedModel", None)
        if reader is None and self.trainable in _READERS:
            reader = import_module(_READERS[self.trainable]).SavedModel
        if reader is None:
            raise NoSavedModel(
                f"{self.path} is a model of {self.trainable}, whose module has no SavedModel to read it with",
                "trainable/contract.py describes what to add",
            )
        return reader

    def read(self, *needed: str) -> Any:
        """The model. needed: the methods that the command calls besides `evaluate`. Raises NoSavedModel, and
        what the trainable's SavedModel raises (SavedModelError)."""
        reader = self.reader()
        if missing := [name for name in needed if not hasattr(reader, name)]:
            raise NoSavedModel(
                f"this command needs a SavedModel with {', '.join(missing)}, but that of {self.trainable} "
                f"has none",
                "trainable/contract.py describes what to add",
            )
        return reader.read(self.path)


def find_model(name: str, runs: Path) -> ModelLocation:
    """The model in the file or folder of that path, or of the run of that name below `runs`.

    Raises UsageError and NotARun if there is none, and RunDamaged.
    """
    path = Path(name)
    if not path.exists():
        if os.sep in name or path.suffix in (".safetensors", ".pth", ".pt"):
            raise UsageError(
                f"MODEL must be a saved model's file or folder, or a run, but there is no {name}"
            )
        try:
            path = run_folder(name, runs).path
        except NotARun as error:
            also = "MODEL may also be the path of a saved model"
            separator = "" if (error.advice or "").endswith("?") else ";"
            advice = also if error.advice is None else f"{error.advice}{separator} {also}"
            raise NotARun(error.message, advice) from error
    folder = path if path.is_dir() else path.absolute().parent
    run = RunFolder(folder.absolute())
    if run.begun:
        sweep = Sweep.read(run.path)
        plan = sweep.plan
        return ModelLocation(path, run, plan.trainable, plan.data, f"the plan of {run.name}", sweep.code)
    record_path = folder / "train.json"
    record = _read_record(record_path) if record_path.is_file() else {}
    trainable = _recorded_trainable(path) or record.get("trainable", DEFAULT_TRAINABLE)
    data_from = str(record_path) if "data" in record else ""
    return ModelLocation(path, None, trainable, record.get("data"), data_from)


def source_of(location: ModelLocation, model: Any, dataset: str | None) -> tuple[Any, str]:
    """The Source of a model's data, and in words where it is known from.

    dataset: replaces what is known; None keeps it. Raises UsageError.
    """
    kind = load_trainable(location.trainable, location.code).Source
    if dataset is not None:
        if "dataset" not in kind.model_fields:
            raise UsageError(
                f"--dataset cannot be used: the data of {location.trainable} has no key `dataset`"
            )
        table: Mapping[str, Any] = {"dataset": dataset}
        data_from = f"--dataset {dataset}"
    elif location.data is not None:
        table, data_from = location.data, location.data_from
    elif location.trainable == DEFAULT_TRAINABLE and (model.height, model.width) == (8, 8):
        table, data_from = {"dataset": "digits"}, "the size of its images"
    else:
        table, data_from = {}, "the default, because the model has no record in its folder"
    try:
        return from_record(kind, table), data_from
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise UsageError(
            f"{data_from} must describe data of {location.trainable}, but does not: {faults}"
        ) from error


def _read_record(path: Path) -> dict[str, Any]:
    """What `train` recorded in the folder of its model; empty if it cannot be read, because it is
    optional."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _recorded_trainable(path: Path) -> str | None:
    file = path / "model.safetensors" if path.is_dir() else path
    try:
        with safe_open(file, framework="numpy") as opened:
            return (opened.metadata() or {}).get("trainable")
    except (SafetensorError, OSError):
        return None  # reading the model will report what is wrong with it
