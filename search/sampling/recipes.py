"""What the sampler `auto` must know of the recipes that it suggests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipes:
    """The recipes of a trainable, without the trainable."""

    epochs: int = 1
    """Epochs of a trial whose recipe is not on record."""
    default: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the default recipe, the first to be suggested; empty for none."""
    accepts: Callable[[Mapping[str, Any]], bool] = lambda sampled: True
    """Whether the trainable accepts these values of `Space.suggest`."""
