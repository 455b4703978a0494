"""What a trained model does on a split it has not seen. Read without torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


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
    """

    metrics: Mapping[str, float]
    count: int
    confusion: NDArray[np.int64] | None = None
    correct: NDArray[np.bool_] | None = None
    class_names: Sequence[str] = field(default=())

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
        """Plain values: confusion as lists, correctness as base64 of its packed bits."""
        bits = None if self.correct is None else np.packbits(self.correct).tobytes()
        return {
            "metrics": dict(self.metrics),
            "count": self.count,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "correct": None if bits is None else base64.b64encode(bits).decode(),
            "class_names": list(self.class_names),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Evaluation:
        """The evaluation that `to_json` stored."""
        count = int(stored["count"])  # type: ignore[call-overload]
        bits, confusion = stored["correct"], stored["confusion"]
        correct = None
        if bits is not None:
            packed = np.frombuffer(base64.b64decode(str(bits)), dtype=np.uint8)
            correct = np.unpackbits(packed, count=count).astype(np.bool_)
        return cls(
            metrics=stored["metrics"],  # type: ignore[arg-type]
            count=count,
            confusion=None if confusion is None else np.asarray(confusion, dtype=np.int64),
            correct=correct,
            class_names=tuple(stored["class_names"]),  # type: ignore[arg-type]
        )
