"""The result of one epoch of training. Has its own file so that results are read without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainable.errors import BenchsweepError


class Diverged(BenchsweepError):
    """The loss or the weights of a training are no longer finite.

    This is a property of the recipe, not an error in the program. A search records the trial as DIVERGED,
    with this message, and its sampler learns to avoid such recipes.
    """


@dataclass(frozen=True, slots=True)
class Epoch:
    """The measurements of one pass over the training split.

    A value that is not finite is left out, so that no NaN enters a record. Raises TypeError if a metric is
    not a number, and ValueError if the time is no finite number.
    """

    number: int
    """1 for the first epoch."""
    metrics: Mapping[str, float]
    """Finite values by name. The metric that the search optimizes is always among them, unless the training
    has diverged; others may be missing in some epochs."""
    seconds: float
    """Wall time of the epoch in seconds, including its validation."""
    not_finite: Mapping[str, str] = field(default_factory=dict, init=False, compare=False, repr=False)
    """Values that were left out, as text: {"loss": "nan"}. Not recorded."""

    def __post_init__(self) -> None:
        # A trainable may measure in NumPy's scalar types, which JSON cannot hold.
        faults = [fault for name, value in self.metrics.items() if (fault := _no_number(name, value))]
        if faults:
            raise TypeError(f"epoch {self.number}: {'; '.join(faults)}")
        metrics = {name: float(value) for name, value in self.metrics.items()}
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        object.__setattr__(self, "metrics", finite)
        left_out = {name: str(value) for name, value in metrics.items() if name not in finite}
        object.__setattr__(self, "not_finite", left_out)
        object.__setattr__(self, "seconds", float(self.seconds))
        if not 0 <= self.seconds < math.inf:
            raise ValueError(
                f"epoch {self.number}: seconds must be a finite number of at least 0, but is {self.seconds}"
            )

    def to_json(self) -> dict[str, object]:
        """Returns plain values, as stored in a trial's epochs.jsonl."""
        return {"number": self.number, "metrics": dict(self.metrics), "seconds": self.seconds}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Epoch:
        """Returns the epoch that `to_json` stored. Raises TypeError, ValueError."""
        number = stored.get("number")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"an epoch's number must be a whole number of at least 1, but is {number!r}")
        epoch = cls(**stored)  # type: ignore[arg-type]
        if epoch.not_finite:
            raise ValueError(f"the metrics of an epoch on record must be finite, but are {epoch.not_finite}")
        return epoch


def _no_number(name: str, value: Any) -> str | None:
    """Why a metric's value is not one number; None if it is."""
    # float() would also read text, and take the only item of a list of NumPy's.
    shape = tuple(getattr(value, "shape", ()))
    if hasattr(value, "__float__") and not shape and not isinstance(value, complex):
        return None
    got = repr(value) if value is None or isinstance(value, str) else f"of type {type(value).__name__}"
    return f"the metric {name!r} must be one number, but is {got}{f' and shape {shape}' if shape else ''}"
