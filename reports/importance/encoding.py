"""Hyperparameters as rows of numbers that a model can learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.analysis.scale import Scale
from reports.formatting.wording import setting

NEUTRAL = 0.5
"""Stands for a number that was not sampled: the middle of its range. Another column marks it."""


class Encoding(NamedTuple):
    """How hyperparameters become columns, in the scales' order: a number is its share of the range (0..1, on
    a logarithmic scale if it was sampled so), choices are one-hot."""

    scales: tuple[Scale, ...]
    """The hyperparameters."""
    conditional: frozenset[str]
    """Hyperparameters that some trials did not sample. Each has one more column, 1 if sampled; if not, a
    number is `NEUTRAL` and every choice is 0."""

    def width(self, scale: Scale) -> int:
        """Number of the hyperparameter's columns."""
        return max(1, len(scale.choices)) + (scale.name in self.conditional)

    def columns(self, name: str) -> range:
        """The hyperparameter's columns. Raises KeyError for one that is not encoded."""
        first = 0
        for scale in self.scales:
            if scale.name == name:
                return range(first, first + self.width(scale))
            first += self.width(scale)
        raise KeyError(name)

    def rows(self, settings: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """N mappings of hyperparameters by name as float64 [N, columns]. Numbers outside a scale are clipped;
        a choice that is not on the scale is 0 in every column."""
        rows = np.zeros((len(settings), sum(self.width(scale) for scale in self.scales)))
        for scale in self.scales:
            columns = self.columns(scale.name)
            for row, values in zip(rows, settings, strict=True):
                sampled = scale.name in values
                if scale.name in self.conditional:
                    row[columns[-1]] = sampled
                if not scale.choices:
                    row[columns[0]] = share_within(scale, values[scale.name]) if sampled else NEUTRAL
                elif sampled and (choice := setting(values[scale.name])) in scale.choices:
                    row[columns[scale.choices.index(choice)]] = 1.0
        return rows


def share_within(scale: Scale, value: Any) -> float:
    """A number's share of the scale, clipped to 0..1."""
    return scale.share(min(max(float(value), scale.low), scale.high))


def is_outside(scale: Scale, value: Any) -> bool:
    """Whether the value lies outside the scale."""
    if scale.choices:
        return setting(value) not in scale.choices
    return not scale.low <= float(value) <= scale.high
