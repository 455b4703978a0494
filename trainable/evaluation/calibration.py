"""Calibration: whether a model's confidence matches its accuracy. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""The number that Guo et al. and most later papers use, so that errors can be compared with theirs."""


@dataclass(frozen=True, slots=True)
class CalibrationBins:
    """A model's predictions in bins by confidence, which is the probability of the predicted class.

    Bin k of n holds confidences above k/n and up to (k + 1)/n; the first one also holds 0.
    """

    counts: tuple[int, ...]
    """Number of examples in each bin."""
    correct: tuple[int, ...]
    """Number of correct predictions in each bin."""
    confidence: tuple[float, ...]
    """Mean confidence in each bin, 0..1; 0 for an empty bin."""

    @property
    def error(self) -> float:
        """The expected calibration error, 0..1: the gap between accuracy and confidence in a bin, averaged
        over all examples. 0 if there are none.

        C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural networks", ICML 2017.
        """
        gaps = (
            abs(correct - count * confidence)
            for count, correct, confidence in zip(self.counts, self.correct, self.confidence, strict=True)
        )
        return sum(gaps) / max(1, sum(self.counts))

    @property
    def mean_confidence(self) -> float:
        """Mean confidence over all examples, 0..1. 0 if there are none."""
        sums = (count * mean for count, mean in zip(self.counts, self.confidence, strict=True))
        return sum(sums) / max(1, sum(self.counts))

    def to_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return {name: list(getattr(self, name)) for name in self.__slots__}

    def summary(self) -> dict[str, Any]:
        """Returns plain values, with the expected calibration error as `error`."""
        return {**self.to_json(), "error": self.error}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the calibration that `to_json` stored. Raises ValueError and others if it is of the wrong
        shape."""
        made = cls(**{name: tuple(values) for name, values in stored.items()})
        if not len(made.counts) == len(made.correct) == len(made.confidence):
            raise ValueError("counts, correct and confidence of a calibration must be of the same bins")
        return made


def calibration_of(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], bins: int = BINS
) -> CalibrationBins:
    """Returns the calibration of N predictions.

    confidence: float [N], 0..1. correct: bool [N].
    """
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = np.bincount(places, weights=confidence, minlength=bins)
    return CalibrationBins(
        counts=tuple(counts.tolist()),
        correct=tuple(np.bincount(places[correct], minlength=bins).tolist()),
        confidence=tuple((sums / np.maximum(counts, 1)).tolist()),
    )
