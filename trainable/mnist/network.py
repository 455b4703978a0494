"""What a training needs of a network, with any layers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_WORDS = 1 << 16


class Network(nn.Module):
    """A classifier of images whose parameters lie in one vector, so that an optimizer updates one tensor."""

    flat: Tensor
    """float [parameters]: all parameters. Those of the layers are views of it."""
    flat_gradient: Tensor
    """float [parameters]: the gradient of each."""
    statistics: Tensor
    """float [n]: the running statistics of batch norm, which have no gradient."""

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights from `generator`, on the CPU, and from nothing else."""
        raise NotImplementedError

    def to_device(self, device: torch.device) -> Network:
        """Move it to a device, keeping the parameters in one vector."""
        raise NotImplementedError

    def masks(self, count: int, generator: torch.Generator) -> list[Tensor | None]:
        """Dropout masks of a training step on `count` images, one for each layer whose inputs may be dropped:
        float [count, units], 0 dropped and 1 kept; None for a layer without dropout."""
        raise NotImplementedError

    def forward(self, x: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Logits [B, classes] of x, float [B, pixels]. With masks, as in training; without, as in
        inference."""
        raise NotImplementedError

    def loss_and_gradient(self, x: Tensor, target: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """Returns the cross-entropy summed over the batch, and writes the gradient of its mean to
        `flat_gradient`.

        x: float [B, pixels]; may be overwritten. target: float [B, classes], each row a distribution. Must be
        called under torch.no_grad or torch.inference_mode.
        """
        raise NotImplementedError

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


def mask(share: float, count: int, units: int, generator: torch.Generator) -> Tensor | None:
    """A dropout mask, float [count, units], on the CPU: 0 dropped and 1 kept; None at share 0.

    A unit is dropped if its 16-bit random word is below the share, which takes an eighth of the time of
    torch's Bernoulli and rounds the share to a multiple of 1/65536.
    """
    if share == 0.0:
        return None
    words = torch.empty(-(-count * units // 4), dtype=torch.int64)
    # From the full range of int64, so that each of its four 16-bit words is uniform.
    words.random_(-(2**63), None, generator=generator)
    kept = torch.empty(count * units)
    # Compared directly into floats, because an intermediate bool tensor would triple the time.
    torch.ge(words.view(torch.int16)[: count * units], round(share * _WORDS) - _WORDS // 2, out=kept)
    return kept.view(count, units)
