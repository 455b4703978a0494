"""The first trainable: the 784-128-64-10 network (and its kin) on images of digits.

Its names are those that `trainable/contract.py` asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainable.contract import Metric
from trainable.mnist.data import Dataset, Source
from trainable.mnist.recipe import Recipe

if TYPE_CHECKING:
    from trainable.mnist.training import Training as TorchTraining

__all__ = ["METRIC", "PRELOAD", "Recipe", "Source", "Training"]

METRIC = Metric(name="validation_accuracy", direction="maximize", unit="share")
PRELOAD = ("trainable.mnist.training",)


def Training(recipe: Recipe, data: Dataset, device: str, threads: int) -> TorchTraining:  # noqa: N802
    """A training of `recipe`; see `trainable.mnist.training.Training`."""
    # Imported on first use: a driver or a reader that never trains does not wait for torch.
    from trainable.mnist.training import Training as TorchTraining

    return TorchTraining(recipe, data, device, threads)
