"""A trainable of another kind: gradient boosting on digits, judged by its log loss, to be minimised.

Nothing of it is torch's, and it has settings and data of its own. It grows one round of trees an
epoch, and its state is the trees grown so far.
"""

from __future__ import annotations

import os
import pickle
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from trainable.contract import Metric, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

METRIC = Metric("log_loss", "minimize", "nats")


class Recipe(BaseModel):
    """Settings of one boosting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrinkage: float = Field(0.1, gt=0, le=1)
    depth: int = Field(2, ge=1, le=5)
    fault: str = Field(
        "none", description="What goes wrong: none, raise, end the process, hang, hang once, or memory."
    )
    epochs: int = Field(3, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.depth * self.shrinkage > 3.5:
            raise ValueError(
                f"deep trees at full rate are too greedy, but got {self.depth}, {self.shrinkage}"
            )
        return self


class Split(NamedTuple):
    """x: float [N, 64]. y: int [N]."""

    x: NDArray[np.float64]
    y: NDArray[np.int64]


class Data(NamedTuple):
    """What training and validation see."""

    train: Split
    validation: Split


class Source(BaseModel):
    """Ten classes of digits, or fewer, for speed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: int = Field(3, ge=2, le=10)

    def _splits(self) -> list[Split]:
        x, y = load_digits(return_X_y=True)
        x, y = x[y < self.classes], y[y < self.classes]
        x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
        x, x_validation, y, y_validation = train_test_split(x, y, test_size=0.25, random_state=0)
        return [Split(x, y), Split(x_validation, y_validation), Split(x_test, y_test)]

    def load(self, folder: Path) -> Data:
        return Data(*self._splits()[:2])

    def load_test(self, folder: Path) -> Split:
        return self._splits()[2]


class Training:
    """Grows trees, round by round."""

    def __init__(self, recipe: Recipe, data: Data, device: str, threads: int) -> None:
        if recipe.fault == "end the process":  # as a fault in a native library would
            os._exit(1)
        if recipe.fault == "raise":
            raise ArithmeticError("this recipe always raises")
        if recipe.fault == "memory":  # of which the kernel grants this process no more than it has
            resource.setrlimit(resource.RLIMIT_DATA, (0, resource.getrlimit(resource.RLIMIT_DATA)[1]))
            np.ones(10**10)
        self.recipe, self.data, self.grown = recipe, data, 0
        self.model = GradientBoostingClassifier(
            learning_rate=recipe.shrinkage,
            max_depth=recipe.depth,
            random_state=recipe.seed,
            warm_start=True,
            n_estimators=0,
        )

    def __iter__(self) -> Iterator[Epoch]:
        while self.grown < self.recipe.epochs:
            began = time.perf_counter()
            self.grown += 1
            self.model.set_params(n_estimators=self.grown).fit(*self.data.train)
            if self.grown == 2 and (self.recipe.fault == "hang" or self._first_time()):
                time.sleep(3600)
            loss = log_loss(self.data.validation.y, self.model.predict_proba(self.data.validation.x))
            yield Epoch(self.grown, {"log_loss": float(loss)}, time.perf_counter() - began)

    def _first_time(self) -> bool:
        """Whether this is to hang once, and has not yet, in any process."""
        mark = Path(os.environ.get("BOOSTING_HUNG", os.devnull))
        if self.recipe.fault != "hang once" or mark.exists():
            return False
        mark.touch()
        return True

    def state_dict(self) -> TrainingState:
        return {"grown": self.grown, "model": np.frombuffer(pickle.dumps(self.model), dtype=np.uint8)}

    def load_state_dict(self, state: TrainingState) -> None:
        stored: dict[str, Any] = dict(state)
        self.grown, self.model = stored["grown"], pickle.loads(stored["model"].tobytes())

    def evaluate(self, test: Split) -> Evaluation:
        loss = log_loss(test.y, self.model.predict_proba(test.x))
        return Evaluation({"log_loss": float(loss)}, len(test.y))

    def save(self, folder: Path) -> list[Path]:
        return []
