"""What a search needs of the thing it searches, and no more.

A trainable is an importable module with four names:

    Recipe     a frozen pydantic model; its fields are what a search space may name. It has at
               least `epochs` (int >= 1, how long to train) and `seed` (int).
    METRIC     the Metric by which its trainings are judged.
    Source     a frozen pydantic model; its fields are the plan's [data] table. Two methods:
               load(folder) -> what training and validation see; load_test(folder) -> the sealed
               test split, asked for confirmed winners alone.
    Training   Training(recipe, data, device, threads), an iterator of Epochs.

More is optional. For a final model, trained on all that is not the test split, a Source has
load_all(folder), which returns what load does. For a search that begins sooner:

    PRELOAD    names of modules that Training takes long to import: workers do so while Ray starts.

An Evaluation may tell more than its metrics and its count; what it tells is shown and tested. One of a
classifier is made from probabilities, labels and, where it sees images, those, by
`trainable.evaluation.evaluation.classification`.

And for whoever wants to use what `Training.save` wrote:

    SavedModel SavedModel.read(path) -> a trained model, from its file or the folder it was saved in.
               `benchsweep evaluate` calls its evaluate(split) -> Evaluation, with what load_test
               returns, or with the attribute `validation` of what load returns; ValueError for a split
               that does not fit. `predict` calls probabilities(images) (uint8 [N, height, width] ->
               float [N, classes]) and reads height, width and class_names; `export` calls
               to_safetensors() and to_state_dict(), which give a file's content. Shown where they are
               there: path, title, parameters, weights_sha256, data_sha256, notes (sentences).

`trainable.mlp` is the first such module, not a privileged one.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from trainable.epoch import Epoch
from trainable.errors import InputError
from trainable.evaluation.evaluation import Evaluation

TrainingState = Mapping[str, NDArray[Any] | np.generic | str | int | float | bool | list[Any] | None]
"""A training's whole state: arrays, and values that JSON can hold. Stored without pickle."""

State = TrainingState
"""The former name of `TrainingState`, for trainables that import it."""


Direction = Literal["maximize", "minimize"]
"""Whether higher or lower values of a metric are better."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The value that a search optimizes."""

    name: str
    """One of the names in every `Epoch.metrics`."""
    direction: Direction
    """Whether higher or lower values are better."""
    unit: str = ""
    """"share" for a value in 0..1, shown as a percentage; any other word is shown after the value."""

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric is maximized."""
        return self.direction == "maximize"

    @property
    def sign(self) -> float:
        """1.0 if higher is better, else -1.0: `sign * value` is larger for a better value."""
        return 1.0 if self.higher_is_better else -1.0

    def better(self, value: float, reference: float) -> bool:
        """Returns whether `value` is strictly better than `reference`; False if either is NaN."""
        return value > reference if self.higher_is_better else value < reference

    def best(self, values: Iterable[float]) -> float:
        """Returns the best of `values`. Raises ValueError if there are none."""
        return max(values) if self.higher_is_better else min(values)

    def gain(self, value: float, reference: float) -> float:
        """Returns by how much `value` is better than `reference`; negative if it is worse."""
        return self.sign * (value - reference)

    def format(self, value: float | None) -> str:
        """The value as people read it: 98.21 % for a share, four digits otherwise."""
        if value is None:
            return "–"
        if self.unit == "share":
            return f"{100 * value:.2f} %"
        return f"{value:.4g} {self.unit}".rstrip()


class RecipeModel(Protocol):
    """Everything that decides one training run."""

    model_fields: ClassVar[dict[str, Any]]
    epochs: int
    seed: int

    @classmethod
    def model_validate(cls, obj: Any) -> RecipeModel: ...
    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...


class DataSource(Protocol):
    """Where a trainable's data comes from, and how it is split."""

    def load(self, folder: Path) -> Any:
        """Training and validation splits: arrays that Ray can map into every worker."""

    def load_test(self, folder: Path) -> Any:
        """The sealed test split."""


class TrainingRun(Protocol):
    """One training, in progress: `for epoch in training` carries it to its recipe's end.

    `state_dict` after an epoch, given to `load_state_dict` of a new training of the same recipe,
    data, device and threads, continues to the same bits. `save` writes the model in its field's
    usual format and returns the files' paths (none, if there is nothing to save). It may have two
    attributes more, which are recorded where they are there: `parameters`, how many numbers it
    learns, and `weights_sha256`, equal for equal models. Loaded data may have a `fingerprint`.
    """

    def __iter__(self) -> Iterator[Epoch]: ...
    def state_dict(self) -> TrainingState: ...
    def load_state_dict(self, state: TrainingState) -> None: ...
    def evaluate(self, test: Any) -> Evaluation: ...
    def save(self, folder: Path) -> list[Path]: ...


class Trainable(Protocol):
    """The module itself: the four names above."""

    Recipe: type[BaseModel]
    METRIC: Metric
    Source: type[BaseModel]

    def Training(self, recipe: Any, data: Any, device: str, threads: int) -> TrainingRun: ...  # noqa: N802


def recipe_sha256(recipe: Mapping[str, Any]) -> str:
    """Of a recipe as plain JSON values, whatever order they come in: equal for equal recipes."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


class NotATrainable(InputError):
    """The named module cannot be imported, or lacks one of the four names."""


def load_trainable(name: str) -> Trainable:
    """Import the module `name` (as "trainable.mlp") and check that it is a trainable.

    The current folder is searched too, so that a user's own module needs no installing.
    Raises NotATrainable with what is wrong and what to do.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a user's module may fail in any way while it is imported
        raise NotATrainable(
            f"trainable must be an importable module, but {name!r} is not: "
            f"{type(error).__name__}: {error}. Write it as a dotted name, seen from {here}"
        ) from error
    missing = [part for part in ("Recipe", "METRIC", "Source", "Training") if not hasattr(module, part)]
    if missing:
        raise NotATrainable(
            f"a trainable offers Recipe, METRIC, Source and Training, but {name} lacks "
            f"{', '.join(missing)}; trainable/contract.py describes them"
        )
    if not isinstance(module.METRIC, Metric):
        raise NotATrainable(f"{name}.METRIC must be a trainable.contract.Metric, but is {module.METRIC!r}")
    for part in ("Recipe", "Source"):
        if not (isinstance(model := getattr(module, part), type) and issubclass(model, BaseModel)):
            raise NotATrainable(f"{name}.{part} must be a pydantic model, but is {model!r}")
    for part in ("load", "load_test"):
        if not callable(getattr(module.Source, part, None)):
            raise NotATrainable(f"{name}.Source must have the method {part}(folder); add it")
    for part in ("epochs", "seed"):
        if part not in module.Recipe.model_fields:
            raise NotATrainable(f"{name}.Recipe must have the field {part!r}; add it")
    return cast(Trainable, module)


def import_root(name: str) -> str:
    """The folder from which the module `name` was imported: another process that appends it to
    its sys.path finds the module, and what lies beside it, too."""
    file = sys.modules[name].__file__
    if file is None:
        raise NotATrainable(f"a trainable must be a module with a file, but {name} is a namespace")
    path = Path(file)
    parts = name.count(".") + (path.name == "__init__.py")
    return str(path.absolute().parents[parts])


def data_folder(given: Path | None = None) -> Path:
    """Where data sets lie: `given`, else the variable BENCHSWEEP_DATA, else ./data. Absolute."""
    return Path(given or os.environ.get("BENCHSWEEP_DATA") or "data").absolute()
