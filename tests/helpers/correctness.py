"""Simulated correctness bits of trained models."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
no_deadline = settings(deadline=None)  # a busy machine is slow, not wrong
sizes_and_seed = st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 300), st.integers(0, 2**32 - 1)
)
"""Seeds of two recipes, examples, and the seed of a random generator."""


def two_models(wins: int, losses: int, count: int) -> tuple[Bits, Bits]:
    """Two models' bits [count]: the first alone is right on `wins` examples, the second alone on `losses`."""
    first, second = np.ones(count, dtype=np.bool_), np.ones(count, dtype=np.bool_)
    second[:wins] = False
    first[wins : wins + losses] = False
    return first, second


def trained_bits(
    seeds: int,
    count: int,
    random: np.random.Generator,
    reach: float = 0.3,
    ease: NDArray[np.float64] | None = None,
) -> Bits:
    """Bits [seeds, count] of one recipe: some examples are hard, and a model's luck shifts all of them."""
    margins = np.where(np.arange(count) < count // 10, 0.5, 9.0) if ease is None else ease
    luck = reach * random.standard_normal((seeds, 1))
    bits: Bits = margins + luck + random.standard_normal((seeds, count)) > 0
    return bits
