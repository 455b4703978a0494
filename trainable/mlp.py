"""The built-in trainable: the 784-128-64-10 network and other networks on images of digits.

Defines the names that `trainable/contract.py` requires.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.mnist.data import Dataset, Source
from trainable.mnist.recipe import Recipe

if TYPE_CHECKING:
    from trainable.mnist.training import Training as TorchTraining

__all__ = ["METRIC", "PRELOAD", "Population", "Recipe", "Source", "Training"]

METRIC = Metric(name="validation_accuracy", direction="maximize", unit="share")
PRELOAD = ("trainable.mnist.training",)
BITS = 2
"""Which rounding and random numbers a recipe is trained with: one more whenever equal recipes get other
weights than before. A record has the SHA-256 of this file, so `reproduce` says when it has changed.

1: until dropout had random bytes of its own, and each layer's bias was a row of its weights.
"""


def Training(recipe: Recipe, data: Dataset, device: str, threads: int) -> TorchTraining:  # noqa: N802
    """Returns a training of `recipe`; see `trainable.mnist.training.Training`."""
    # Imported on first use, so that processes that never train do not wait for torch.
    from trainable.mnist.training import Training as TorchTraining

    return TorchTraining(recipe, data, device, threads)


class Population:
    """Networks trained at once; see `trainable.mnist.population`."""

    @staticmethod
    def group(recipe: Recipe) -> Hashable | None:
        """Equal for recipes that can be trained together."""
        from trainable.mnist.population import group

        return group(recipe)

    @staticmethod
    def advance(trainings: Sequence[TorchTraining]) -> list[Epoch | Exception]:
        """Trains one epoch of each."""
        from trainable.mnist.population import advance

        return advance(trainings)
