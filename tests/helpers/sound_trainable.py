"""A small trainable without a fault, as the text of its file, for tests that put faults into it."""

from __future__ import annotations

SOUND = """
import random
from typing import Any, NamedTuple
import numpy as np
from pydantic import BaseModel
from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

class Recipe(BaseModel, frozen=True, extra="forbid"):
    rate: float = 0.1
    epochs: int = 5
    seed: int = 0

METRIC = Metric("loss", "minimize")

class Data(NamedTuple):
    train: Any
    validation: Any

class Source(BaseModel, frozen=True):
    def load(self, folder):
        return Data(np.arange(8.0), np.arange(4.0))

    def load_test(self, folder):
        raise AssertionError("the test split was opened")

class Training:
    def __init__(self, recipe, data, device, threads):
        self.recipe, self.data, self.epoch, self.weights = recipe, data, 0, np.zeros(1)

    def __iter__(self):
        while self.epoch < self.recipe.epochs:
            self.epoch += 1
            self.weights = self.weights + self.recipe.rate * (self.data.train.mean() - self.weights)
            loss = float(abs(self.data.validation.mean() - self.weights[0]))
            metrics = {"loss": loss}
            yield Epoch(self.epoch, metrics, 0.0)

    def state_dict(self):
        return {"epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state):
        self.epoch, self.weights = state["epoch"], state["weights"]

    def evaluate(self, test):
        return Evaluation({"loss": float(abs(test.mean() - self.weights[0]))}, len(test))

    def save(self, folder):
        path = folder / "weights.npy"
        np.save(path, self.weights)
        return [path]
"""
