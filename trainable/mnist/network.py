"""What a training needs of a network, with any layers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainable.mnist.dropout import Dropout, RandomBytes


class Network(nn.Module, ABC):
    """A classifier of images whose parameters lie in one vector, so that an optimizer updates one tensor."""

    flat: Tensor
    """float [parameters]: all parameters. Those of the layers are views of it."""
    flat_gradient: Tensor
    """float [parameters]: the gradient of each."""
    statistics: Tensor
    """float [n]: the running statistics of batch norm, which have no gradient."""
    dropout: Dropout
    """The layers whose inputs may be dropped."""

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights from `generator`, on the CPU, and from nothing else."""

    @abstractmethod
    def to_device(self, device: torch.device) -> Network:
        """Move it to a device, keeping the parameters in one vector."""

    def draw_kept(self, count: int, random: RandomBytes) -> Tensor | None:
        """Which units training steps on `count` images keep: uint8 [count, units that may be dropped], 0
        dropped and 1 kept, on the network's device; None without dropout."""
        kept = self.dropout.draw(count, random)
        return None if kept is None else kept.to(self.flat.device)

    @abstractmethod
    def inputs(self, count: int) -> Tensor:
        """Where a batch is best put together: float [count, pixels], with any values. Given to
        `logits_and_gradient`, it is not copied. Valid until the next call."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, classes] of x, float [B, pixels], as in inference."""

    @abstractmethod
    def logits_and_gradient(self, x: Tensor, target: Tensor, kept: Tensor | None) -> Tensor:
        """Returns the logits [classes, B] of a training step, and writes the gradient of the mean
        cross-entropy to `flat_gradient`.

        x: float [B, pixels]; may be overwritten. target: float [classes, B], each column a distribution.
        kept: the batch's rows of `draw_kept`. Must be called under torch.no_grad or torch.inference_mode.
        """

    def stored_order(self, vector: Tensor) -> Tensor:
        """A copy of `vector`, float [parameters] in the order of `flat`, in the order of checkpoints, which
        is the same in all versions."""
        return vector.clone()

    def load_stored_order(self, vector: Tensor, stored: Tensor) -> None:
        """Set `vector` to what `stored_order` returned."""
        vector.copy_(stored)

    @property
    def parameter_count(self) -> int:
        """Number of learned parameters."""
        return self.flat.numel()

    def weights(self) -> dict[str, NDArray[Any]]:
        """float32 arrays by name, in the shapes of torch's own layers: fc1.weight [128, 784], …, including
        the statistics of batch norm. They are copies."""
        return {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy()).copy()
            for name, tensor in self.state_dict().items()
        }

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of names and bytes of all weights, in order; equal only for weights equal to the bit."""
        digest = hashlib.sha256()
        for name, array in self.weights().items():
            digest.update(name.encode())
            digest.update(array.data)
        return digest.hexdigest()

    def check_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Raises ValueError if a name or a shape is not this network's."""
        expected = {name: tuple(tensor.shape) for name, tensor in self.state_dict().items()}
        given = {name: tuple(array.shape) for name, array in weights.items()}
        if given != expected:
            raise ValueError(f"the weights must be {expected}, but are {given}: they are of another recipe")

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Load arrays such as `weights` returns. Raises ValueError if a name or a shape is not this
        network's."""
        self.check_weights(weights)
        with torch.no_grad():
            for name, tensor in self.state_dict().items():
                tensor.copy_(torch.from_numpy(np.array(weights[name])))
