"""A user's own trainable, written for an earlier version of benchsweep: a perceptron on small digits.

It counts in whole numbers, so that its figures are the same on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, Field, model_validator
from sklearn.datasets import load_digits

from trainable.contract import Metric, State
from trainable.epoch import Diverged, Epoch
from trainable.evaluation import Evaluation

METRIC = Metric("mistakes", "minimize", "images")


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """Settings of one perceptron."""

    step: int = Field(1, ge=1, le=100, description="By how much a mistake moves the weights.")
    margin: int = Field(0, ge=0, description="By how much the right class must lead.")
    largest: int = Field(100_000, ge=1, description="The weight beyond which it has diverged.")
    epochs: int = Field(3, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _bold(self) -> Recipe:
        if self.step == 1 and self.margin > 3000:
            raise ValueError(f"a wide margin takes larger steps than 1, but got margin {self.margin}")
        return self


class Split(NamedTuple):
    """x: int32 [N, 65], the last column 1. y: int64 [N]."""

    x: Any
    y: Any


class Data(NamedTuple):
    """What training and validation see."""

    train: Split
    validation: Split


class Source(BaseModel, frozen=True, extra="forbid"):
    """The first so many digits are trained on, the next 300 are chosen by, the next 300 are the test set."""

    trained: int = Field(600, ge=10, le=1197)

    def _split(self, first: int, count: int) -> Split:
        x, y = load_digits(return_X_y=True)
        part = slice(first, first + count)
        pixels = x[part].astype(np.int32)
        return Split(np.hstack([pixels, np.ones((len(pixels), 1), dtype=np.int32)]), y[part].astype(np.int64))

    def load(self, folder: Path) -> Data:
        return Data(self._split(0, self.trained), self._split(self.trained, 300))

    def load_test(self, folder: Path) -> Split:
        return self._split(self.trained + 300, 300)


class Training:
    """Goes over the digits one by one, an epoch after the other."""

    def __init__(self, recipe: Recipe, data: Data, device: str, threads: int) -> None:
        self.recipe, self.data, self.epoch = recipe, data, 0
        self.weights = np.zeros((10, 65), dtype=np.int32)

    def __iter__(self) -> Iterator[Epoch]:
        while self.epoch < self.recipe.epochs:
            began = time.perf_counter()
            self.epoch += 1
            order = np.random.RandomState([self.recipe.seed, self.epoch]).permutation(len(self.data.train.y))
            moved = 0
            for index in order:
                x, y = self.data.train.x[index], self.data.train.y[index]
                lead = self.weights @ x
                lead[y] -= self.recipe.margin + 1
                other = int(lead.argmax())
                if other != y:
                    self.weights[y] += self.recipe.step * x
                    self.weights[other] -= self.recipe.step * x
                    moved += 1
            most = int(abs(self.weights).max())
            if most > self.recipe.largest:
                limit = self.recipe.largest
                raise Diverged(f"epoch {self.epoch}: no weight may exceed {limit}, but {most} does")
            metrics = {"moved": moved, "mistakes": self._mistakes(self.data.validation)}
            yield Epoch(self.epoch, metrics, time.perf_counter() - began)

    def _mistakes(self, split: Split) -> int:
        return int(((split.x @ self.weights.T).argmax(axis=1) != split.y).sum())

    def state_dict(self) -> State:
        return {"epoch": self.epoch, "weights": self.weights.copy()}

    def load_state_dict(self, state: State) -> None:
        stored: dict[str, Any] = dict(state)
        self.epoch, self.weights = stored["epoch"], stored["weights"].copy()

    def evaluate(self, test: Split) -> Evaluation:
        return Evaluation({"mistakes": float(self._mistakes(test))}, len(test.y))

    def save(self, folder: Path) -> list[Path]:
        return []
