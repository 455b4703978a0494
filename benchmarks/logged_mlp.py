"""`trainable.mlp` with a log of every epoch that it really trained, with which `chaos.py` compares a search's
record. CHAOS_PACE makes each epoch longer by its value in seconds, so that a fault finds it training on any
machine, until the file CHAOS_UNTIL exists."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainable.contract import TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation
from trainable.mlp import METRIC, PRELOAD, Recipe, Source
from trainable.mlp import Training as TorchTraining

__all__ = ["METRIC", "PRELOAD", "Recipe", "Source", "Training"]


class Training:
    """Appends a line to the file CHAOS_LOG after each epoch, in one write."""

    def __init__(self, recipe: Recipe, data: Any, device: str, threads: int) -> None:
        self._recipe = recipe.model_dump_json()
        self._training = TorchTraining(recipe, data, device, threads)

    def __iter__(self) -> Iterator[Epoch]:
        log = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            for epoch in self._training:
                if not Path(os.environ.get("CHAOS_UNTIL", os.devnull + "/none")).exists():
                    time.sleep(float(os.environ.get("CHAOS_PACE", 0)))
                os.write(log, (json.dumps([self._recipe, epoch.number]) + "\n").encode())
                yield epoch
        finally:
            os.close(log)

    def state_dict(self) -> TrainingState:
        return self._training.state_dict()

    def load_state_dict(self, state: TrainingState) -> None:
        self._training.load_state_dict(state)

    def evaluate(self, test: Any) -> Evaluation:
        return self._training.evaluate(test)

    def save(self, folder: Path) -> list[Path]:
        return self._training.save(folder)
