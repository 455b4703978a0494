"""A trainable that trains nothing, so that only the cost of the search remains. For `scale.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from trainable.contract import Metric, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

METRIC = Metric("loss", "minimize")


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """The parameters of a loss, and how long to wait for it."""

    x: float = Field(0.5, ge=0, le=1)
    """First parameter of the loss."""
    y: float = Field(0.5, ge=0, le=1)
    """Second parameter of the loss."""
    epochs: int = Field(20, ge=1)
    """Number of epochs."""
    seconds: float = Field(0.0, ge=0)
    """Duration of an epoch, spent asleep."""
    seed: int = 0
    """Has no effect."""


class Source(BaseModel, frozen=True):
    """Nothing."""

    def load(self, folder: Path) -> None:
        """Nothing."""

    def load_test(self, folder: Path) -> None:
        """Nothing."""


class Training:
    """A loss that decreases with the epochs."""

    def __init__(self, recipe: Recipe, data: Any, device: str, threads: int) -> None:
        self._recipe = recipe
        self._done = 0

    def __iter__(self) -> Iterator[Epoch]:
        while self._done < self._recipe.epochs:
            self._done += 1
            time.sleep(self._recipe.seconds)
            yield Epoch(self._done, {"loss": loss(self._recipe.x, self._recipe.y, self._done)}, 0.0)

    def state_dict(self) -> TrainingState:
        return {"done": self._done}

    def load_state_dict(self, state: TrainingState) -> None:
        self._done = int(state["done"])  # type: ignore[arg-type]

    def evaluate(self, test: Any) -> Evaluation:
        return Evaluation({"loss": 0.0}, 1)

    def save(self, folder: Path) -> list[Path]:
        return []


def loss(x: float, y: float, epoch: int) -> float:
    """The loss that both sides report."""
    return (x - 0.3) ** 2 + (y - 0.7) ** 2 + 1 / epoch
