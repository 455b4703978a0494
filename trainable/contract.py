"""How to write a trainable: the module that a search trains.

A trainable is an importable Python module that defines four names:

    Recipe     A frozen pydantic model of everything that decides one training run. Its fields are the
               hyperparameters that the plan's [space] may search. It must have the fields `epochs`
               (int >= 1, how long to train) and `seed` (int).
    METRIC     The `Metric` to optimize.
    Source     A frozen pydantic model of where the data comes from. Its fields are the plan's [data] table.
               load(folder) returns the training and validation data. load_test(folder) returns the test
               data, which is loaded for confirmed winners only. `load_test: ClassVar[None] = None` says
               that there is no test split: the winner is chosen and reported on validation, and `evaluate`
               is never called.
    Training   Training(recipe, data, device, threads) is one training run. Iterating over it trains, and
               yields an `Epoch` after each epoch. `TrainingRun` lists its methods.

The smallest training loop:

    class Training:
        def __init__(self, recipe, data, device, threads): ...

        def __iter__(self):
            while self.epoch < self.recipe.epochs:
                self.epoch += 1
                ...  # train one epoch
                yield Epoch(self.epoch, {"validation_accuracy": accuracy}, seconds)

The following names are optional:

    PRELOAD            Modules that Training takes long to import. Workers import them while Ray starts.
    Source.load_all    load_all(folder) returns data like load(folder), but with the validation examples in
                       the training data too. Needed to train a final model.
    Source.at_hand     at_hand(folder) returns whether the data can be loaded without a network, for `doctor`.
    SavedModel         Lets the commands `evaluate`, `predict` and `export` use the files that Training.save
                       wrote. SavedModel.read(path) returns a model, given one of its files or their folder.
                       `evaluate` calls evaluate(split), which returns an Evaluation or raises ValueError if
                       the split does not fit the model. The split is what load_test returned, or the
                       attribute `validation` of what load returned. `predict` calls probabilities(images)
                       (uint8 [N, height, width] -> float [N, classes]) and reads height, width and
                       class_names. `export` calls to_safetensors() and to_state_dict(), which return a
                       file's content. These attributes are shown if the model has them: path, title,
                       parameters, weights_sha256, data_sha256, notes (sentences).
    Population         Trains several trainings in one process at once, for `resources.together`.
                       Population.group(recipe) returns a value that is equal for recipes that can be trained
                       together, or None for one that is only trained alone. Population.advance(trainings)
                       trains one epoch of each, all of one group, and returns a list: of each training its
                       Epoch, or the exception that ended it. A training must get the same bits with any
                       others as alone.

For a classifier, `trainable.evaluation.classification` computes a complete Evaluation from probabilities,
labels and, if the inputs are images, the images.

Recipe and Source may use all of pydantic: nested models, sets, enums, aliases, computed fields. A plan and a
record name a field by its own name, never by an alias. Values must be finite, and a model must be the same
after it was recorded as JSON and read again.

`trainable.mlp` is the first trainable. The search treats it like any other.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import logging
import os
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec, PathFinder
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal, Protocol, cast, get_args

from pydantic import BaseModel, RootModel
from pydantic.errors import PydanticUserError

from trainable.epoch import Epoch
from trainable.errors import InputError
from trainable.evaluation.evaluation import Evaluation
from trainable.user_modules import here, holds, imported_as, importing, is_ours

TrainingState = Mapping[str, Any]
"""Everything a training needs to continue: arrays, tensors, numbers, text, booleans, None, and lists, tuples
and dicts of these. Stored without pickle; tensors come back on the CPU."""

State = TrainingState
"""The earlier name of `TrainingState`, for trainables that import it."""


Direction = Literal["maximize", "minimize"]
"""Whether higher or lower values of a metric are better."""

Take = Literal["last", "best"]
"""Which epoch gives a training its score and its model: the last one, or the one with the best metric."""


class InvalidMetric(InputError):
    """A Metric with a name, a direction or a unit that it cannot have."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The value that a search optimizes. Raises InvalidMetric."""

    name: str
    """One of the names in every `Epoch.metrics`."""
    direction: Direction
    """Whether higher or lower values are better."""
    unit: str = ""
    """"share" for a value in 0..1, shown as a percentage; any other word is shown after the value."""
    take: Take = "last"
    """last: a training's score and model are those after its last epoch. best: those after the epoch with the
    best metric, the earliest in a tie."""

    def __post_init__(self) -> None:
        for field in ("name", "direction", "unit", "take"):
            if not isinstance(value := getattr(self, field), str):
                raise InvalidMetric(f"a Metric's {field} must be a string, but is {value!r}")
        if not self.name:
            raise InvalidMetric("a Metric's name must be one of the names in Epoch.metrics, but is empty")
        known = get_args(Direction)
        if self.direction not in known:
            near = difflib.get_close_matches(self.direction.lower(), known, n=1, cutoff=0.4)
            advice = f"did you mean {near[0]}?" if near else "a higher or a lower value is better"
            raise InvalidMetric(
                f"a Metric's direction must be maximize or minimize, but is {self.direction!r}", advice
            )
        if self.take not in get_args(Take):
            raise InvalidMetric(f"a Metric's take must be last or best, but is {self.take!r}")

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

    def scores(self, epochs: Sequence[Epoch]) -> list[float]:
        """Returns the score that a training has after each of its epochs. Raises KeyError if one lacks the
        metric."""
        values = [epoch.metrics[self.name] for epoch in epochs]
        return values if self.take == "last" else list(accumulate(values, max if self.sign > 0 else min))

    def taken(self, epochs: Sequence[Epoch]) -> Epoch:
        """Returns the epoch that gives a training its score. Raises IndexError if there are none, KeyError if
        one lacks the metric."""
        if self.take == "last" or not epochs:
            return epochs[-1]
        scores = self.scores(epochs)
        return epochs[scores.index(scores[-1])]

    def to_json(self) -> dict[str, str]:
        """Returns its fields as plain values."""
        return asdict(self)

    def format(self, value: float | None) -> str:
        """Returns the value as text: "98.21 %" for a share, else four significant digits and the unit."""
        if value is None:
            return "–"
        if self.unit == "share":
            return f"{100 * value:.2f} %"
        return f"{value:.4g} {self.unit}".rstrip()


class RecipeModel(Protocol):
    """Everything that decides one training run."""

    model_fields: ClassVar[dict[str, Any]]
    """Pydantic's description of each field, by its name."""
    epochs: int
    """Number of epochs to train, at least 1."""
    seed: int
    """Seed of everything random in the training."""

    @classmethod
    def model_validate(cls, obj: Any) -> RecipeModel: ...
    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...


class DataSource(Protocol):
    """Where a trainable's data comes from, and how it is split."""

    def load(self, folder: Path) -> Any:
        """Returns the training and validation splits, as arrays that Ray can share between workers.

        A `fingerprint` attribute (str), if the returned object has one, is recorded.
        """

    def load_test(self, folder: Path) -> Any:
        """Returns the test split."""


class TrainingRun(Protocol):
    """One training run: `for epoch in training` trains it to the last epoch of its recipe.

    Two optional attributes are recorded: `parameters`, the number of learned parameters, and
    `weights_sha256`, which must be equal for equal models.
    """

    def __iter__(self) -> Iterator[Epoch]:
        """Trains an epoch per step. Epochs are numbered from 1."""

    def state_dict(self) -> TrainingState:
        """Returns the state after the last epoch. Stored as a checkpoint after every epoch."""

    def load_state_dict(self, state: TrainingState) -> None:
        """Continues from the state of a training with the same recipe, data, device and threads. The epochs
        that follow must be the same to the bit as without the interruption."""

    def evaluate(self, test: Any) -> Evaluation:
        """Returns the evaluation of the model on the test split."""

    def save(self, folder: Path) -> list[Path]:
        """Writes the model in the usual format of its field. Returns the paths of the files, which may be
        none."""


class Trainable(Protocol):
    """The module with the four required names."""

    Recipe: type[BaseModel]
    """The type of its recipes, a `RecipeModel`."""
    METRIC: Metric
    """The metric to optimize."""
    Source: type[BaseModel]
    """Where its data comes from, a `DataSource`."""

    def Training(self, recipe: Any, data: Any, device: str, threads: int) -> TrainingRun: ...  # noqa: N802


class Population(Protocol):
    """How several trainings are trained at once."""

    def group(self, recipe: Any) -> Hashable | None:
        """Equal for recipes that can be trained together; None if it is only trained alone."""

    def advance(self, trainings: Sequence[Any]) -> Sequence[Epoch | Exception]:
        """Trains one epoch of each. Returns the epochs, or the exception that ended a training."""


def recipe_sha256(recipe: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a recipe given as JSON values. The order of its fields does not matter."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


class NotATrainable(InputError):
    """The named module cannot be imported, or does not follow the contract."""


ASKED = "trainable.asked:train"
"""The trainable of a run whose trials are trained by a program of its own."""


class TrainedElsewhere(InputError):
    """The trials of a run are trained by a program of its own, and by nothing else."""


_LOG = logging.getLogger(__name__)
"""Says at level INFO which file is about to be imported, where it is not one of ours."""


_RUN_RECORDS = ("trials", "lock", "environment.json", "ray.log", "confirmation")
"""What a run's folder holds beside its plan, before or without a journal."""
_RUNS = "runs"
"""The folder of runs unless the option --runs names another one."""
_read_as_runs: set[Path] = set()
"""Folders that were read as runs, whatever they hold."""


def refuse_code_in(folder: Path) -> None:
    """From now on, `load_trainable` imports no module that lies in `folder`, because it was read as a run."""
    _read_as_runs.add(folder.resolve())


def is_built_in(name: str) -> bool:
    """Returns whether the trainable `name` is one of this package, and no code of a user."""
    module = module_of(name)
    return "." in module and is_ours(module)


def module_of(name: str) -> str:
    """Returns the module in the name of a trainable: "mine" for "mine:train" and for "mine"."""
    return name.partition(":")[0]


def attribute_of(name: str) -> str | None:
    """Returns what the name of a trainable names in its module: "train" for "mine:train"; None if it names
    the module itself."""
    return name.partition(":")[2] or None


def trained_elsewhere(name: str) -> bool:
    """Returns whether trials of this trainable are trained by a program that asks and tells."""
    return name == ASKED


def refuse_trained_elsewhere(name: str) -> None:
    """Raises TrainedElsewhere if trials of this trainable are trained by a program of the user's."""
    if trained_elsewhere(name):
        raise TrainedElsewhere(
            "the trials of this run are trained by the program that asks for them, and by nothing else",
            "continue that program; it opens the run with benchsweep.open",
        )


def can_continue(trainable: Trainable) -> bool:
    """Returns whether a training of this trainable goes on from a checkpoint. A function is called again from
    its start."""
    return bool(getattr(trainable, "CONTINUES", True))


def has_test_split(trainable: Trainable) -> bool:
    """Returns whether the trainable has a test split: its Source has a `load_test` that is not None."""
    return getattr(trainable.Source, "load_test", None) is not None


def import_module(trainable: str, folder: Path | None = None, kind: str = "trainable") -> ModuleType:
    """Imports the module in the name of a trainable. kind: what it is called if it is something else.

    It is looked for in `folder` (of the plan; None if that is unknown), then in the current folder, and then
    among installed modules. A module that lies in the folder of a run is not imported: a run that somebody
    else made must not bring its own code. Raises NotATrainable, whatever the import raises.
    """
    name = module_of(trainable)
    files: list[Path] = []
    try:
        files = trainable_files(name, folder)
        _check_outside_of_runs(name, files, kind)
        place = place_of(name, folder)
        known = name if place is None else imported_as(place, name)
        if known not in sys.modules and files and not is_built_in(name):
            _LOG.info("importing the %s %s from %s", kind, name, files[-1])
        with importing(known):
            return importlib.import_module(known)
    except (KeyboardInterrupt, NotATrainable):
        raise
    except BaseException as error:  # a user's module may fail in any way, also with SystemExit
        found = [file for file in files if file.exists()]
        places = " or ".join(dict.fromkeys(str(place.absolute()) for place in _places(folder)))
        raise NotATrainable(
            f"{kind} must be an importable module, but importing {name!r} raised "
            f"{type(error).__name__}: {error}",
            f"correct {found[-1]}, or install what it imports"
            if found
            else f"write a dotted name that can be imported from {places}",
        ) from error


def _places(folder: Path | None) -> list[Path]:
    """The folders in which a user's module may lie, in the order in which they are searched."""
    return [*([] if folder is None else [here(folder.absolute())]), Path.cwd()]


def _says_none(model: type[BaseModel], name: str) -> bool:
    """Whether a class says of a member that it has none."""
    return hasattr(model, name) and getattr(model, name) is None


def place_of(name: str, folder: Path | None = None) -> Path | None:
    """Returns the folder in which a trainable's module lies, `folder` or the current one; None if it is an
    installed one, or there is none. Imports nothing."""
    return next((place for place in _places(folder) if holds(place, module_of(name))), None)


def load_trainable(name: str, folder: Path | None = None) -> Trainable:
    """Imports the module `name`, such as "trainable.mlp", as `import_module` does, and checks that it is a
    trainable. Raises NotATrainable."""
    module = import_module(name, folder)
    missing = [part for part in ("Recipe", "METRIC", "Source", "Training") if not hasattr(module, part)]
    if missing:
        raise NotATrainable(
            f"a trainable must define Recipe, METRIC, Source and Training, but {name} has no "
            f"{' and no '.join(missing)}",
            "see trainable/contract.py",
        )
    if not isinstance(module.METRIC, Metric):
        raise NotATrainable(f"{name}.METRIC must be a trainable.contract.Metric, but is {module.METRIC!r}")
    for part in ("Recipe", "Source"):
        if not (isinstance(model := getattr(module, part), type) and issubclass(model, BaseModel)):
            raise NotATrainable(f"{name}.{part} must be a pydantic model, but is {model!r}")
        _check_model(model, f"{name}.{part}")
    if not callable(module.Training):
        raise NotATrainable(f"{name}.Training must be a class, but is {module.Training!r}")
    if not callable(getattr(module.Source, "load", None)):
        raise NotATrainable(f"{name}.Source must have a method load(folder), but has none", "add it")
    if not callable(getattr(module.Source, "load_test", None)) and not _says_none(module.Source, "load_test"):
        raise NotATrainable(
            f"{name}.Source must have a method load_test(folder), but has none",
            "add it; or write load_test: ClassVar[None] = None if there is no test split",
        )
    for part in ("epochs", "seed"):
        if part not in module.Recipe.model_fields:
            raise NotATrainable(f"{name}.Recipe must have a field {part!r}, but has none", "add it")
    return cast(Trainable, module)


def trainable_files(name: str, folder: Path | None = None) -> list[Path]:
    """Returns the files that importing the trainable `name` would run, the packages' first, without running
    one. Ends before the first part that is not found; modules without a file are left out."""
    files: list[Path] = []
    place = place_of(name, folder)
    folders = None if place is None else [str(place)]
    for part in module_of(name).split("."):
        spec = _find_spec(part, folders)
        if spec is None:
            break
        if spec.has_location and spec.origin is not None:
            files.append(Path(spec.origin).absolute())
        folders = list(spec.submodule_search_locations or ())
    return files


def _find_spec(part: str, folders: list[str] | None) -> ModuleSpec | None:
    """Returns where a module would be imported from. folders: those to look in, as of the package that it is
    in; None for what is installed. `importlib.util.find_spec` would import the package."""
    if folders is not None:
        return PathFinder.find_spec(part, folders)
    specs = (finder.find_spec(part, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return next((spec for spec in specs if spec is not None), None)


def _check_outside_of_runs(name: str, files: Iterable[Path], kind: str) -> None:
    """Raises NotATrainable if one of the files lies in the folder of a run."""
    for file in files:
        for folder in {*file.parents, *file.resolve().parents}:
            if _is_run(folder):
                raise NotATrainable(
                    f"{kind} must be a module outside of the folders of runs, but {name} is {file}, "
                    f"in the folder of the run {folder}",
                    "if you trust its code, copy the file to another folder and name it there",
                )


def _is_run(folder: Path) -> bool:
    """Whether the folder is that of a run, which may be half made or damaged. A plan alone makes none: a
    user's own plan may lie beside the module that it names."""
    if folder.resolve() in _read_as_runs or (folder / "study.journal").exists():
        return True
    in_runs = folder.parent.name == _RUNS
    return (folder / "plan.toml").exists() and (
        in_runs or any((folder / name).exists() for name in _RUN_RECORDS)
    )


def _check_model(model: type[BaseModel], name: str) -> None:
    """Raises NotATrainable unless each field of the model can be set and recorded by its name."""
    if issubclass(model, RootModel):
        raise NotATrainable(f"{name} must be a pydantic model with named fields, but is a RootModel")
    try:
        model.model_rebuild()
    except (PydanticUserError, NameError) as error:
        reason = str(error).splitlines()[0]
        raise NotATrainable(
            f"{name} must be a complete pydantic model, but has a field with an unknown type: {reason}",
            "define or import that type in the same module",
        ) from error
    for field, info in model.model_fields.items():
        if info.exclude or info.exclude_if is not None:
            raise NotATrainable(
                f"each field of {name} must be recorded, but {field} is excluded from serialization",
                "remove exclude from it",
            )


def import_root(name: str, folder: Path | None = None) -> str:
    """Returns the folder from which the trainable `name` was imported. A process that calls
    `trainable.user_modules.look_in` with it can import the module and the other modules in its folder."""
    module = import_module(name, folder)
    if module.__file__ is None:
        raise NotATrainable(f"a trainable must be a module with a file, but {name} is a namespace package")
    path = Path(module.__file__)
    parents = module_of(name).count(".") + (path.name == "__init__.py")
    return str(path.absolute().parents[parents])


def data_folder(folder: Path | None = None) -> Path:
    """Returns the absolute path of the data sets: `folder`, or else the environment variable
    BENCHSWEEP_DATA, or else ./data."""
    return Path(folder or os.environ.get("BENCHSWEEP_DATA") or "data").absolute()
