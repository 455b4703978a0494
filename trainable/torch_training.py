"""A class with defaults as a trainable: only `build`, `epoch` and the metric are one's own.

    from trainable import TorchTraining

    class Mine(TorchTraining):
        def build(self):
            self.model = nn.Linear(64, 10)
            self.optimizer = optim.Adam(self.model.parameters(), lr=self.recipe["lr"])

        def epoch(self):
            ...
            return {"loss": loss}

A plan names it "mine:Mine". torch is the user's to import: nothing here does.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import save_file

from trainable.contract import Metric, NotATrainable, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation
from trainable.function import Declaration, UndeclaredMetric, measured, recipe_model
from trainable.live_state import LiveState, modules_of
from trainable.record import to_record
from trainable.seeds import seed_everything
from trainable.storage.state_tree import encode


class EndOfTraining(Exception):
    """What `epoch` raises if there is no further one: the training is COMPLETE."""


class TorchTraining:
    """One training. Its attributes that change are found and stored after each epoch, and restored: models,
    optimizers, schedulers and whatever else has state_dict and load_state_dict, tensors, arrays, generators
    of random numbers, numbers, text, and lists, tuples and dicts of these."""

    metric: ClassVar[Metric | None] = None
    """What to optimize; None if the plan has it in [metric]."""
    test: ClassVar[Any] = None
    """None if there is no test split: the winner is chosen and reported on validation. Else a method
    test(self) that returns the metrics of the model on the test split, as `epoch` returns its own, or an
    Evaluation. It is called for confirmed winners only."""
    epochs: ClassVar[int] = 10
    """Number of epochs, if the plan does not say."""
    continues: ClassVar[bool] = True
    """Whether a training goes on from what was stored; False if it begins anew."""
    recipe: dict[str, Any]
    """The plan's [recipe] and [space] values, and epochs and seed."""
    data: Any
    """What `load` returned."""
    device: str
    """Where to train: "cpu", "cuda" or "mps"."""
    threads: int
    """Number of CPU threads to train with."""

    @staticmethod
    def load(folder: Path) -> Any:
        """Returns the training and validation data, if all trials of a machine are to share it; None if
        `build` loads its own. folder: of data sets."""
        return None

    @abstractmethod
    def build(self) -> None:
        """Makes model, optimizer and scheduler. Everything random is seeded from the recipe's seed before."""

    @abstractmethod
    def epoch(self) -> Any:
        """Trains one epoch, and returns its metrics by name, or the metric alone as a number. Everything
        random is seeded from the recipe's seed and the epoch before."""

    def close(self) -> None:
        """Called when the training ends or is stopped."""

    def save(self, folder: Path) -> list[Path]:
        """Writes the model, and returns the paths of the files: the weights of all models found, in
        model.safetensors."""
        arrays = _weights(self)
        if not arrays:
            return []
        path = folder / "model.safetensors"
        save_file(arrays, path)
        return [path]


@dataclass
class ClassTrainable:
    """The four names of the contract, made of a class."""

    kind: type[TorchTraining]
    """The user's."""
    Recipe: type[BaseModel]
    METRIC: Metric
    Source: type[BaseModel]

    @property
    def CONTINUES(self) -> bool:  # noqa: N802
        """As `trainable.contract.can_continue` reads it."""
        return self.kind.continues

    def Training(self, recipe: BaseModel, data: Any, device: str, threads: int) -> ClassTraining:  # noqa: N802
        return ClassTraining(self.kind, dict(to_record(recipe)), self.METRIC, data, device, threads)


def class_trainable(kind: type, module: ModuleType, where: str, declared: Declaration) -> ClassTrainable:
    """Returns a class as a trainable. where: as the plan names it. Raises NotATrainable, UndeclaredMetric."""
    if not issubclass(kind, TorchTraining):
        raise NotATrainable(
            f"a class that a plan names must be a TorchTraining, but {where} is none",
            f"write `from trainable import TorchTraining` and class {kind.__name__}(TorchTraining): …",
        )
    for member in dir(kind):
        method = getattr(kind, member, None)
        if callable(method) and getattr(method, "__isabstractmethod__", False):
            written = f"def {member}({', '.join(inspect.signature(method).parameters)}): …"
            raise NotATrainable(f"{where} must have a method {member}, but has none", f"write {written}")
    if kind.__init__ is not object.__init__:
        raise NotATrainable(
            f"{where} must have no __init__ of its own: recipe, data and device are there before build",
            "rename it to def build(self): …",
        )
    if kind.test is not None and not callable(kind.test):
        raise NotATrainable(
            f"{where}.test must be None or a method, but is {kind.test!r}", "write def test(self): return {…}"
        )
    own = kind.metric or getattr(module, "METRIC", None)
    metric = own if isinstance(own, Metric) else declared.metric
    if metric is None:
        raise UndeclaredMetric(
            f"the metric of the class {where} must be named, but is not",
            'write [metric] with name = "loss" and direction = "minimize" in the plan',
        )
    return ClassTrainable(kind, recipe_model(declared.defaults, kind.epochs), metric, _source(kind))


def _source(kind: type[TorchTraining]) -> type[BaseModel]:
    """The Source of a class: its `load`."""

    class Source(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        def load(self, folder: Path) -> Any:
            return kind.load(folder)

    if kind.test is None:
        Source.load_test = None  # type: ignore[attr-defined]
    else:
        Source.load_test = lambda self, folder: None  # type: ignore[attr-defined]
    return Source


@dataclass
class ClassTraining:
    """A training of the user's class, as the contract has it."""

    kind: type[TorchTraining]
    recipe: dict[str, Any]
    metric: Metric
    data: Any
    device: str
    threads: int
    own: TorchTraining = field(init=False)
    """The user's."""

    def __post_init__(self) -> None:
        self._done = 0
        self.own = self.kind()
        self.own.recipe, self.own.data = dict(self.recipe), self.data
        self.own.device, self.own.threads = self.device, self.threads
        seed_everything(self.recipe["seed"], 0)
        if (torch := sys.modules.get("torch")) is not None:
            torch.set_num_threads(self.threads)
        self.own.build()
        self._live = LiveState(self.own, leave_out=("recipe", "data", "device", "threads"))

    def __iter__(self) -> Iterator[Epoch]:
        try:
            while self._done < self.recipe["epochs"]:
                began = time.perf_counter()
                seed_everything(self.recipe["seed"], self._done + 1)
                try:
                    metrics = measured(self.own.epoch(), self.metric, "epoch", "return")
                except EndOfTraining:
                    return
                self._done += 1
                yield Epoch(self._done, metrics, time.perf_counter() - began)
        finally:
            self.own.close()

    def state_dict(self) -> TrainingState:
        return {"epoch": self._done, "attributes": self._live.stored()}

    def load_state_dict(self, state: TrainingState) -> None:
        self._done = state["epoch"]
        self._live.restore(state["attributes"])

    def evaluate(self, test: Any) -> Evaluation:
        result = self.own.test()
        if isinstance(result, Evaluation):
            return result
        return Evaluation({**measured(result, self.metric, "test", "return")}, count=0)

    def save(self, folder: Path) -> list[Path]:
        return list(self.own.save(folder))

    @property
    def parameters(self) -> int | None:
        """Number of learned parameters of all models; None without any."""
        models = modules_of(self.own).values()
        return sum(each.numel() for model in models for each in model.parameters()) if models else None

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights of all models; None without any."""
        arrays = _weights(self.own)
        if not arrays:
            return None
        digest = hashlib.sha256()
        for name in sorted(arrays):
            digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
            digest.update(np.ascontiguousarray(arrays[name]).data)
        return digest.hexdigest()


def _weights(training: TorchTraining) -> dict[str, Any]:
    """The weights of all models: under their own names if there is one model, else after the model's."""
    models = modules_of(training)
    states = {name: dict(model.state_dict()) for name, model in models.items()}
    named: Mapping[str, Any] = (
        next(iter(states.values()))
        if len(states) == 1
        else {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
    )
    arrays = encode({"weights": dict(named)})[0]
    return {name.removeprefix("weights/"): array for name, array in arrays.items()}
