"""What one turn of training tells. Its own file, so that results are read without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from trainable.errors import BenchsweepError


class Diverged(BenchsweepError):
    """Training left the finite numbers: its loss or its weights are no longer finite.

    Not a fault of the program: the recipe's answer is "this does not train". A search records
    it as DIVERGED, with this sentence, and its sampler learns to keep away.
    """


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training split, measured.

    number: 1 for the first.
    metrics: name -> finite value. The metric a trainable is judged by is always among them.
    seconds: wall time of this epoch, its validation included.

    A value that is not finite raises `Diverged`: no NaN enters a record.
    """

    number: int
    metrics: Mapping[str, float]
    seconds: float

    def __post_init__(self) -> None:
        # A trainable may well measure in numpy's numbers, which JSON does not know.
        object.__setattr__(self, "metrics", {name: float(value) for name, value in self.metrics.items()})
        for name, value in self.metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"epoch {self.number}: {name} must stay finite, but became {value}")

    def to_json(self) -> dict[str, object]:
        """Plain values, as stored in a trial's epochs.jsonl."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Epoch:
        """The epoch that `to_json` stored."""
        return cls(**stored)  # type: ignore[arg-type]
