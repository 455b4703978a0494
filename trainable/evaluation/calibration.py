"""Whether a model is right as often as it is sure. Read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""As many as Guo et al. take, so that errors compare with theirs and with most since."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A model's predictions by their confidence, the probability of the predicted class.

    Bin k of n holds the confidences above k/n, up to (k + 1)/n. counts: examples in each bin. correct:
    how many of them were predicted right. confidence: their mean confidence, 0..1; 0 in an empty bin.
    """

    counts: tuple[int, ...]
    correct: tuple[int, ...]
    confidence: tuple[float, ...]

    @property
    def error(self) -> float:
        """The expected calibration error, 0..1: the gap between confidence and share of right ones, mean
        over the examples of their bins' (C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of
        modern neural networks", ICML 2017). 0 where there are no examples."""
        gaps = (
            abs(right - count * sure)
            for count, right, sure in zip(self.counts, self.correct, self.confidence, strict=True)
        )
        return sum(gaps) / max(1, sum(self.counts))

    @property
    def mean_confidence(self) -> float:
        """Over all examples, 0..1. 0 where there are none."""
        sums = (count * sure for count, sure in zip(self.counts, self.confidence, strict=True))
        return sum(sums) / max(1, sum(self.counts))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: list(getattr(self, name)) for name in self.__slots__}

    def told(self) -> dict[str, Any]:
        """Plain values with the expected calibration error as `error`."""
        return {**self.to_json(), "error": self.error}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The calibration that `to_json` stored."""
        return cls(**{name: tuple(values) for name, values in stored.items()})


def calibration_of(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], bins: int = BINS
) -> Calibration:
    """The calibration of predictions with these confidences, [N] in 0..1; correct: which were right, [N]."""
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=confidence, minlength=bins)
    return Calibration(
        counts=tuple(counts.tolist()),
        correct=tuple(np.bincount(place[correct], minlength=bins).tolist()),
        confidence=tuple((sums / np.maximum(counts, 1)).tolist()),
    )
