"""What a trained model does on a split it has not seen. Read without torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.calibration import Calibration, calibration_of
from trainable.evaluation.mistakes import Mistake, worst_mistakes


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one split.

    metrics: name -> value; ours are "accuracy" (share in 0..1) and "loss" (nats, mean).
    count: how many examples the split holds.
    confusion: int64 [classes, classes], rows the true class, columns the predicted one;
        None where the task has no classes.
    correct: bool [count], one per example in the split's order; None where right and wrong
        mean nothing. Stored at 1 bit an example, it is what paired tests need.
    class_names: the classes' labels, in the order of `confusion`.
    mistakes: the worst ones, the surest first; () where it made none, None where they are not kept or
        the task has no images.
    calibration: how often it is right for how sure it is; None where it gives no probabilities.
    """

    metrics: Mapping[str, float]
    count: int
    confusion: NDArray[np.int64] | None = None
    correct: NDArray[np.bool_] | None = None
    class_names: Sequence[str] = field(default=())
    mistakes: tuple[Mistake, ...] | None = None
    calibration: Calibration | None = None

    @property
    def class_accuracy(self) -> NDArray[np.float64] | None:
        """Share of each true class that was predicted right, float [classes]; NaN for a class
        without examples; None where the task has no classes."""
        if self.confusion is None:
            return None
        totals = self.confusion.sum(axis=1).astype(np.float64)
        right = np.diag(self.confusion).astype(np.float64)
        shares: NDArray[np.float64] = np.full_like(totals, np.nan)
        return np.divide(right, totals, out=shares, where=totals > 0)  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, object]:
        """Plain values: confusion as lists, correctness as base64 of its packed bits, images as base64
        of PNG files."""
        bits = None if self.correct is None else np.packbits(self.correct).tobytes()
        return {
            "metrics": dict(self.metrics),
            "count": self.count,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "correct": None if bits is None else base64.b64encode(bits).decode(),
            "class_names": list(self.class_names),
            "mistakes": None if self.mistakes is None else [each.to_json() for each in self.mistakes],
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Evaluation:
        """The evaluation that `to_json` stored, an earlier version's too."""
        count = int(stored["count"])
        bits, confusion = stored["correct"], stored["confusion"]
        mistakes, calibration = stored.get("mistakes"), stored.get("calibration")
        correct = None
        if bits is not None:
            packed = np.frombuffer(base64.b64decode(str(bits)), dtype=np.uint8)
            correct = np.unpackbits(packed, count=count).astype(np.bool_)
        return cls(
            metrics=stored["metrics"],
            count=count,
            confusion=None if confusion is None else np.asarray(confusion, dtype=np.int64),
            correct=correct,
            class_names=tuple(stored["class_names"]),
            mistakes=None if mistakes is None else tuple(Mistake.from_json(each) for each in mistakes),
            calibration=None if calibration is None else Calibration.from_json(calibration),
        )


def classification(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    class_names: Sequence[str],
    images: NDArray[np.uint8] | None = None,
    **metrics: float,
) -> Evaluation:
    """The evaluation of a classifier, from what it says of a split: accuracy, and `metrics` beside it,
    confusion, correctness, calibration and, where there are images, its worst mistakes.

    probabilities: [N, classes], N >= 1; the likeliest class is the predicted one, the earlier of equal
    ones. labels: [N], the true classes, as indices of class_names. images: uint8 [N, height, width].
    Raises ValueError for images of another shape or type.
    """
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    confusion = np.zeros((len(class_names), len(class_names)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    # Of a model whose weights overflow nothing of the kind can be said, nor stored.
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
