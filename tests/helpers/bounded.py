"""A trainable with a rule between two hyperparameters. It is never trained: tests report its scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, model_validator

from trainable.contract import Metric, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

METRIC = Metric("score", "maximize")


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """What is searched."""

    a: float = 0.05
    b: float = 0.05
    width: int = 64
    kind: Literal["plain", "deep"] = "plain"
    depth: int = 2
    epochs: int = 3
    seed: int = 0

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.a + self.b > 0.8:
            raise ValueError("a + b <= 0.8 must hold")
        return self


class Source(BaseModel, frozen=True):
    """Nothing."""

    def load(self, folder: Path) -> None:
        """Nothing."""

    def load_test(self, folder: Path) -> None:
        """Nothing."""


class Training:
    """Nothing to train."""

    def __init__(self, recipe: Recipe, data: Any, device: str, threads: int) -> None:
        self._recipe = recipe

    def __iter__(self) -> Iterator[Epoch]:
        yield Epoch(1, {"score": 0.0}, 0.0)

    def evaluate(self, data: Any) -> Evaluation:
        return Evaluation({"score": 0.0}, 1)

    def save(self, folder: Path) -> list[Path]:
        return []

    def state_dict(self) -> TrainingState:
        return {}

    def load_state_dict(self, state: TrainingState) -> None:
        """Nothing."""
