"""A trainable of a formula, whose members fail where a file next to the plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from trainable.contract import Metric, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

METRIC = Metric("score", "maximize", "points")
FAULT = Path("fault.txt")
"""Names what fails: a member, or what it returns; nothing fails where the file is missing."""


def _fails(name: str) -> bool:
    return FAULT.is_file() and FAULT.read_text() == name


class Recipe(BaseModel):
    """One number, best at 0.5."""

    x: float = Field(0.1, ge=0, le=1)
    limit: float = Field(1.0, description="Training fails above this x.")
    epochs: int = 2
    seed: int = 0


class Source(BaseModel):
    """Nothing to load."""

    def load(self, folder: Path) -> Any:
        if _fails("load"):
            raise KeyError("train")
        if _fails("pickle"):
            return (number for number in range(3))
        return ()

    def load_test(self, folder: Path) -> Any:
        if _fails("load_test"):
            raise ZeroDivisionError("no rows")
        return None if _fails("load_test returns None") else "test"


class Training:
    """Approaches its score from epoch to epoch."""

    def __init__(self, recipe: Recipe, data: Any, device: str, threads: int) -> None:
        self._recipe = recipe
        self._epoch = 0

    @property
    def _score(self) -> float:
        recipe = self._recipe
        return 1 - abs(recipe.x - 0.5) - 0.1 / self._epoch + 0.001 * (recipe.seed * 7 % 5)

    def __iter__(self) -> Iterator[Epoch]:
        if self._recipe.x > self._recipe.limit:
            raise MemoryError(f"{self._recipe.x} is above the limit")
        while self._epoch < self._recipe.epochs:
            self._epoch += 1
            yield Epoch(self._epoch, {"score": self._score}, 0.0)

    def state_dict(self) -> TrainingState:
        return {"epoch": self._epoch}

    def load_state_dict(self, state: TrainingState) -> None:
        if _fails("load_state_dict"):
            raise IndexError("no weights")
        self._epoch = state["epoch"]

    def evaluate(self, test: Any) -> Any:
        looks = Path("looks.txt")
        with looks.open("a") as file:
            file.write("look\n")
        if test is None:
            raise TypeError("no rows")
        if _fails("evaluate"):
            raise RuntimeError("the shapes differ:\n  3 and 4")
        if _fails("evaluate later") and len(looks.read_text().splitlines()) > 1:
            raise RuntimeError("the second one")
        if _fails("evaluate returns a dict"):
            return {"score": 1.0}
        return Evaluation({"score": float("nan") if _fails("evaluate returns nan") else self._score}, 10)

    def save(self, folder: Path) -> list[Path]:
        if _fails("save"):
            raise PermissionError(13, "Permission denied", str(folder / "model.bin"))
        path = folder / "model.bin"
        path.write_bytes(b"model")
        return [path]
