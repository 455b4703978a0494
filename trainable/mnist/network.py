"""What a training needs of a network, whatever its layers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_WORDS = 1 << 16


class Network(nn.Module):
    """A classifier of images whose parameters lie in one vector.

    flat, flat_gradient: float [parameters], every number it learns and the gradient of each, so
        that an optimizer takes one step over one tensor; the layers' parameters are views of them.
    statistics: float [n], what it gathers in training without a gradient (of batch norm).
    """

    flat: Tensor
    flat_gradient: Tensor
    statistics: Tensor

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights from `generator` (on the CPU) alone."""
        raise NotImplementedError

    def to_device(self, device: torch.device) -> Network:
        """Move it, keeping the parameters in one vector."""
        raise NotImplementedError

    def masks(self, count: int, generator: torch.Generator) -> list[Tensor | None]:
        """Dropout masks of a training step on `count` images, one for each place where units are
        dropped: float [count, units], 0 dropped and 1 kept; None where none is."""
        raise NotImplementedError

    def forward(self, x: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Logits [B, classes] of x, float [B, pixels]: of training where masks are given, else of
        inference."""
        raise NotImplementedError

    def loss_and_gradient(self, x: Tensor, target: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """Cross-entropy summed over the batch, and the mean's gradient in `flat_gradient`.

        x: float [B, pixels]; may be overwritten. target: float [B, classes], each row a
        distribution. Call it without gradients (torch.no_grad, torch.inference_mode).
        """
        raise NotImplementedError

    @property
    def parameter_count(self) -> int:
        """How many numbers the network learns."""
        return self.flat.numel()

    def weights(self) -> dict[str, NDArray[Any]]:
        """Name -> float32 array, as torch's own layers hold them: fc1.weight [128, 784], …; the
        statistics of batch norm too."""
        # Each is copied: a view would change with the next step.
        return {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy()).copy()
            for name, tensor in self.state_dict().items()
        }

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take what `weights` gave. Raises ValueError where names or shapes are not this network's."""
        own = self.state_dict()
        expected = {name: tuple(tensor.shape) for name, tensor in own.items()}
        given = {name: tuple(array.shape) for name, array in weights.items()}
        if given != expected:
            raise ValueError(f"the weights must be {expected}, but are {given}: they are of another recipe")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(torch.from_numpy(np.array(weights[name])))


def mask(share: float, count: int, units: int, generator: torch.Generator) -> Tensor | None:
    """A dropout mask, float [count, units], on the CPU: 0 dropped and 1 kept; None at share 0.

    A unit is dropped when its 16-bit random word falls below the share, which costs an eighth of
    torch's Bernoulli; the share is thereby rounded to 1/65536.
    """
    if share == 0.0:
        return None
    words = torch.empty(-(-count * units // 4), dtype=torch.int64)
    # The whole range of int64, so that each of its four 16-bit words is uniform.
    words.random_(-(2**63), None, generator=generator)
    kept = torch.empty(count * units)
    # Comparing straight into floats: a bool tensor between them would triple the cost.
    torch.ge(words.view(torch.int16)[: count * units], round(share * _WORDS) - _WORDS // 2, out=kept)
    return kept.view(count, units)
