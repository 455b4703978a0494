"""A trainable whose loss is best in the middle of its training, and which needs no time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

METRIC = Metric("loss", "minimize")


class Recipe(BaseModel, frozen=True, extra="forbid"):
    rate: float = 0.1
    epochs: int = 10
    seed: int = 0


class Data(NamedTuple):
    """What the weight moves to, and where it is best: on the way."""

    train: float
    validation: float


class Source(BaseModel, frozen=True):
    def load(self, folder: Path) -> Data:
        return Data(3.5, 1.5)

    def load_all(self, folder: Path) -> Data:
        return Data(3.0, float("inf"))

    def load_test(self, folder: Path) -> float:
        return 1.4


class Training:
    parameters = 1

    def __init__(self, recipe: Recipe, data: Data, device: str, threads: int) -> None:
        self.recipe, self.data, self.epoch = recipe, data, 0
        self.weight: NDArray[np.float64] = np.full(1, 0.001 * recipe.seed)

    def __iter__(self) -> Iterator[Epoch]:
        while self.epoch < self.recipe.epochs:
            self.epoch += 1
            self.weight += self.recipe.rate * (self.data.train - self.weight)
            loss = 9.0 if self.data.validation == float("inf") else self._loss(self.data.validation)
            yield Epoch(self.epoch, {"loss": loss}, 0.0)

    def _loss(self, target: float) -> float:
        return float(abs(target - self.weight[0]))

    @property
    def weights_sha256(self) -> str:
        return hashlib.sha256(self.weight.tobytes()).hexdigest()

    def state_dict(self) -> Mapping[str, Any]:
        return {"epoch": self.epoch, "weight": self.weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epoch, self.weight = state["epoch"], state["weight"].copy()

    def evaluate(self, test: float) -> Evaluation:
        return Evaluation({"loss": self._loss(test)}, 1)

    def save(self, folder: Path) -> list[Path]:
        path = folder / "weight.txt"
        path.write_text(repr(float(self.weight[0])))
        return [path]
