"""One training run: its recipe, its data and its epochs. Does not depend on the search.

from trainable import Metric, TorchTraining
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainable.contract import Metric
    from trainable.epoch import Diverged, Epoch
    from trainable.evaluation.evaluation import Evaluation, classification
    from trainable.torch_training import EndOfTraining, TorchTraining

__all__ = ["Diverged", "EndOfTraining", "Epoch", "Evaluation", "Metric", "TorchTraining", "classification"]

_MODULES = {
    "Diverged": "trainable.epoch",
    "EndOfTraining": "trainable.torch_training",
    "Epoch": "trainable.epoch",
    "Evaluation": "trainable.evaluation.evaluation",
    "Metric": "trainable.contract",
    "TorchTraining": "trainable.torch_training",
    "classification": "trainable.evaluation.evaluation",
}
"""Imported when they are used: most of the package is needed without them."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
