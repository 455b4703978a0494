"""The evaluation of a trained model on a split that it was not trained on. Does not import torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.calibration import CalibrationBins, calibration_of
from trainable.evaluation.mistakes import Mistake, worst_mistakes


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one model on one split, and what the report shows of its predictions."""

    metrics: Mapping[str, float]
    """Values by name. The built-in trainable has "accuracy" (0..1) and "loss" (mean, in nats)."""
    count: int
    """Number of examples in the split; 0 if that is unknown."""
    confusion: NDArray[np.int64] | None = None
    """int64 [classes, classes], with true classes as rows and predicted classes as columns; None if the task
    has no classes."""
    correct: NDArray[np.bool_] | None = None
    """bool [count]: whether each example was predicted correctly, in the order of the split; None if the task
    has no correct answers. Paired tests need it. Stored as 1 bit per example."""
    class_names: Sequence[str] = field(default=())
    """Names of the classes, in the order of `confusion`."""
    mistakes: tuple[Mistake, ...] | None = None
    """The worst mistakes, highest confidence first; None if they are not stored or the inputs are not
    images."""
    calibration: CalibrationBins | None = None
    """Predictions by confidence; None if the model predicts no probabilities."""

    @property
    def class_accuracy(self) -> NDArray[np.float64] | None:
        """Accuracy on the examples of each class, float [classes]; NaN for a class without examples. None if
        the task has no classes."""
        if self.confusion is None:
            return None
        totals = self.confusion.sum(axis=1).astype(np.float64)
        right = np.diag(self.confusion).astype(np.float64)
        shares: NDArray[np.float64] = np.full_like(totals, np.nan)
        return np.divide(right, totals, out=shares, where=totals > 0)  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, object]:
        """Returns plain values: `confusion` as lists, `correct` as base64 of packed bits, images as base64 of
        PNG files."""
        bits = None if self.correct is None else np.packbits(self.correct).tobytes()
        return {
            "metrics": dict(self.metrics),
            "count": self.count,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "correct": None if bits is None else base64.b64encode(bits).decode(),
            "class_names": list(self.class_names),
            "mistakes": None if self.mistakes is None else [mistake.to_json() for mistake in self.mistakes],
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Evaluation:
        """Returns the evaluation that `to_json` stored, in this or an earlier version. Raises ValueError,
        TypeError and others if it is of the wrong shape."""
        count = int(stored["count"])
        bits, confusion = stored["correct"], stored["confusion"]
        mistakes, calibration = stored.get("mistakes"), stored.get("calibration")
        correct = None
        if bits is not None:
            packed = np.frombuffer(base64.b64decode(str(bits)), dtype=np.uint8)
            if len(packed) != -(-count // 8):
                raise ValueError(f"correct must hold {count} bits, but has {len(packed)} bytes")
            correct = np.unpackbits(packed, count=count).astype(np.bool_)
        metrics, matrix = stored["metrics"], None
        if not 0 <= metrics.get("accuracy", 0) <= 1 or not 0 <= count < 2**53:
            raise ValueError(f"accuracy must be 0..1 of some examples, but is {metrics} of {count}")
        if confusion is not None:
            matrix = np.asarray(confusion, dtype=np.int64)
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
                raise ValueError(f"confusion must be [classes, classes], but is {list(matrix.shape)}")
        return cls(
            metrics=metrics,
            count=count,
            confusion=matrix,
            correct=correct,
            class_names=tuple(stored["class_names"]),
            mistakes=None if mistakes is None else tuple(map(Mistake.from_json, mistakes)),
            calibration=None if calibration is None else CalibrationBins.from_json(calibration),
        )


def classification(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    class_names: Sequence[str],
    images: NDArray[np.uint8] | None = None,
    **metrics: float,
) -> Evaluation:
    """Returns the evaluation of a classifier: accuracy and any other `metrics`, confusion, correctness,
    calibration and, if images are given, the worst mistakes.

    probabilities: [N, classes], N >= 1. The predicted class is the most probable one, the first of them in a
    tie. labels: the true classes as indices of class_names, [N]. images: uint8 [N, height, width]. Raises
    ValueError for images of another shape or type.
    """
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    confusion = np.zeros((len(class_names), len(class_names)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    # If the weights have overflowed, the probabilities are NaN, which have no order and cannot be stored.
    finite = bool(np.isfinite(probabilities).all())
    return Evaluation(
        metrics={"accuracy": float(correct.mean()), **metrics},
        count=len(labels),
        confusion=confusion,
        correct=correct,
        class_names=class_names,
        mistakes=worst_mistakes(probabilities, labels, images) if finite and images is not None else None,
        calibration=calibration_of(probabilities.max(axis=1), correct) if finite else None,
    )
