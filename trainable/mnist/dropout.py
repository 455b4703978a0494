"""Which units a training step drops: random bytes compared with a threshold for each unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_FRACTION = 1 << 16
"""A threshold is a byte and a fraction of this many parts."""


class RandomBytes:
    """A stream of uniformly distributed random bytes: those of numpy's PCG64, whose stream is the same in
    every version and on every machine. It takes a third of the time of torch's generator."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.PCG64(seed)

    def take(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """The next bytes, uint8 [count]."""
        return self._generator.random_raw(-(-count // 8)).view(np.uint8)[:count]


class Dropout:
    """The layers of a network whose inputs may be dropped.

    shares: the share dropped of each layer's inputs, 0..1. units: the number of inputs of each layer.
    """

    def __init__(self, shares: Sequence[float], units: Sequence[int]) -> None:
        self.shares = tuple(shares)
        self.units = tuple(size if share > 0 else 0 for share, size in zip(shares, units, strict=True))
        exact = np.repeat([round(share * _FRACTION * 256) for share in shares], self.units)
        self._bytes, self._fractions = np.divmod(exact, _FRACTION)

    @property
    def width(self) -> int:
        """Number of inputs that may be dropped, over all layers."""
        return sum(self.units)

    def draw(self, count: int, random: RandomBytes) -> Tensor | None:
        """What is kept in training steps on `count` images: uint8 [count, width], 0 dropped and 1 kept, on
        the CPU; None without dropout.

        One random byte decides on a unit. A share that is no multiple of 1/256 is rounded up or down at
        random, for each unit anew in each call, so that a unit is dropped with the probability of its share,
        rounded to a multiple of 2^-24.
        """
        if self.width == 0:
            return None
        words = random.take(2 * self.width).view(np.uint16)
        thresholds = self._bytes + (words < self._fractions)
        drawn = torch.from_numpy(random.take(count * self.width)).view(count, self.width)
        kept = torch.ge(drawn, torch.from_numpy(np.minimum(thresholds, 255).astype(np.uint8)))
        if (always := thresholds > 255).any():  # a share close to 1; no byte says "never kept"
            kept[:, torch.from_numpy(always)] = False
        return kept.view(torch.uint8)

    def by_layer(self, kept: Tensor | None) -> list[Tensor | None]:
        """The columns of each layer; None for a layer without dropout. kept: [B, width]."""
        if kept is None:
            return [None] * len(self.units)
        parts = torch.split(kept, list(self.units), 1)
        return [part if size else None for part, size in zip(parts, self.units, strict=True)]
