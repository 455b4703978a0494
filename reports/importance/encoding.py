"""Settings as rows of numbers that a model can learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.analysis.scale import Scale
from reports.formatting.wording import setting

NEUTRAL = 0.5
"""What stands for a number that was not asked: the middle of its range. A column beside it says so."""


class Encoding(NamedTuple):
    """How settings become columns, in the scales' order: a number is its share of the range (0..1,
    logarithmic where it was sampled so), a choice is one column for each, 1 where it was taken.

    conditional: settings that some trials were not asked for: these have one more column, 1 where asked;
    where not, a number is `NEUTRAL` and no choice is taken.
    """

    scales: tuple[Scale, ...]
    conditional: frozenset[str]

    def width(self, scale: Scale) -> int:
        """How many columns the setting has."""
        return max(1, len(scale.choices)) + (scale.name in self.conditional)

    def columns(self, name: str) -> range:
        """The setting's columns. Raises KeyError for one that is not encoded."""
        first = 0
        for scale in self.scales:
            if scale.name == name:
                return range(first, first + self.width(scale))
            first += self.width(scale)
        raise KeyError(name)

    def rows(self, settings: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Settings by name, a mapping each: float64 [N, columns]. Numbers beyond a scale's ends are moved to
        the end, and a choice that is not on the scale takes none."""
        made = np.zeros((len(settings), sum(self.width(scale) for scale in self.scales)))
        for scale in self.scales:
            columns = self.columns(scale.name)
            for row, held in zip(made, settings, strict=True):
                asked = scale.name in held
                if scale.name in self.conditional:
                    row[columns[-1]] = asked
                if not scale.choices:
                    row[columns[0]] = share_within(scale, held[scale.name]) if asked else NEUTRAL
                elif asked and (told := setting(held[scale.name])) in scale.choices:
                    row[columns[scale.choices.index(told)]] = 1.0
        return made


def share_within(scale: Scale, value: Any) -> float:
    """A number's share of the scale, 0..1, where it lies beyond an end that end's."""
    return scale.share(min(max(float(value), scale.low), scale.high))


def is_outside(scale: Scale, value: Any) -> bool:
    """Whether the value lies outside what was sampled."""
    if scale.choices:
        return setting(value) not in scale.choices
    return not scale.low <= float(value) <= scale.high
