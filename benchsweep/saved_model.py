"""From what a user typed to the saved model that is meant, and to what is known of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from benchsweep.errors import UsageError
from benchsweep.find import run_folder
from search.records.folder import NotARun, RunFolder
from search.records.sweep import Sweep
from trainable.contract import load_trainable
from trainable.errors import InputError

OURS = "trainable.mlp"
_READERS = {OURS: "trainable.mnist.saved"}
"""Where the saved models of a trainable are read whose own module must not load torch to be read."""


class NoSavedModel(InputError):
    """The trainable offers no way to read its saved models, or not for this; says which and for what."""


@dataclass(frozen=True)
class FoundModel:
    """A saved model, not yet read.

    path: its file or its folder. run: in whose folder it lies; None elsewhere. trainable: its module's
    name. data: the [data] table it was trained by, None where nothing tells; told_by: what does.
    """

    path: Path
    run: RunFolder | None
    trainable: str
    data: Mapping[str, Any] | None
    told_by: str

    @property
    def name(self) -> str:
        """What a file made of it is called: as the run, the folder or the file."""
        return self.path.name if self.path.is_dir() else self.folder.name or self.path.stem

    @property
    def folder(self) -> Path:
        """The folder it lies in."""
        return self.path if self.path.is_dir() else self.path.absolute().parent

    def reader(self) -> Any:
        """The trainable's SavedModel. Raises NoSavedModel, NotATrainable."""
        import importlib

        module = load_trainable(self.trainable)
        offered = getattr(module, "SavedModel", None)
        if offered is None and self.trainable in _READERS:
            offered = importlib.import_module(_READERS[self.trainable]).SavedModel
        if offered is None:
            raise NoSavedModel(
                f"{self.path} is a model of {self.trainable}, whose module has no SavedModel to read it",
                "trainable/contract.py describes what to add",
            )
        return offered

    def read(self, *needed: str) -> Any:
        """The model. needed: what a command asks of it beyond `evaluate`. Raises NoSavedModel, and what
        the trainable's SavedModel raises (SavedModelError)."""
        reader = self.reader()
        if missing := [name for name in needed if not hasattr(reader, name)]:
            raise NoSavedModel(
                f"this command needs {', '.join(missing)} of a saved model, but the SavedModel of "
                f"{self.trainable} does not have it",
                "trainable/contract.py describes what to add",
            )
        return reader.read(self.path)


def find_model(given: str, runs: Path) -> FoundModel:
    """The model in the file or folder of that path, or of the run of that name below `runs`.

    Raises Mistake and NotARun when there is none, and RunDamaged.
    """
    path = Path(given)
    if not path.exists():
        if os.sep in given or path.suffix in (".safetensors", ".pth", ".pt"):
            raise UsageError(
                f"MODEL must be a saved model's file or folder, or a run, but there is no {given}"
            )
        try:
            path = run_folder(given, runs).path
        except NotARun as error:
            also = "MODEL may also be the path of a saved model"
            separator = "" if (error.advice or "").endswith("?") else ";"
            advice = also if error.advice is None else f"{error.advice}{separator} {also}"
            raise NotARun(error.message, advice) from error
    folder = path if path.is_dir() else path.absolute().parent
    run = RunFolder(folder.absolute())
    if run.begun:
        plan = Sweep.read(run.path).plan
        return FoundModel(path, run, plan.trainable, plan.data, f"the plan of {run.name}")
    record = folder / "train.json"
    told = _record(record) if record.is_file() else {}
    trainable = _trainable_in(path) or told.get("trainable", OURS)
    return FoundModel(path, None, trainable, told.get("data"), str(record) if "data" in told else "")


def source_of(found: FoundModel, model: Any, dataset: str | None) -> tuple[Any, str]:
    """The Source of a model's data, and where that is known from, in words.

    dataset: given in place of what is known. Raises Mistake.
    """
    kind = load_trainable(found.trainable).Source
    if dataset is not None:
        if "dataset" not in kind.model_fields:
            raise UsageError(f"--dataset cannot be used: the data of {found.trainable} have no such setting")
        table: Mapping[str, Any] = {"dataset": dataset}
        told_by = f"--dataset {dataset}"
    elif found.data is not None:
        table, told_by = found.data, found.told_by
    elif found.trainable == OURS and (model.height, model.width) == (8, 8):
        table, told_by = {"dataset": "digits"}, "its images' size"
    else:
        table, told_by = {}, "the default, for nothing beside the model tells"
    try:
        return kind.model_validate(table), told_by
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError(f"{told_by} must name data of {found.trainable}, but does not: {faults}") from error


def _record(path: Path) -> dict[str, Any]:
    """What `train` wrote beside its model; nothing where that is not readable, for it is only a help."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _trainable_in(path: Path) -> str | None:
    file = path / "model.safetensors" if path.is_dir() else path
    try:
        with safe_open(file, framework="numpy") as opened:
            return (opened.metadata() or {}).get("trainable")
    except (SafetensorError, OSError):
        return None  # whoever reads the model says what is wrong with it
