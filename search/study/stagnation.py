"""How long a search has not come to anything better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

_SHARE = 4
"""The last quarter of a training's epochs shows its noise."""


@dataclass(frozen=True)
class EndedTrial:
    """A trial that is over."""

    complete: bool
    """Whether it was trained to its end, so that its last value counts."""
    values: Sequence[float]
    """The metric after each epoch."""


def trials_without_gain(trials: Iterable[EndedTrial], sign: float) -> int:
    """Number of trials since the last one that brought a gain.

    A gain is a complete trial better than the one that brought the last gain, by more than the noise of a
    training so far: the median, over the complete trials, of the standard deviation around a line through
    the last quarter of their epochs. That takes 12 epochs; with fewer, any improvement is a gain.

    trials: in the order in which they ended. sign: 1 if the metric is maximized, -1 if it is minimized."""
    noises: list[float] = []
    best: float | None = None
    without = 0
    for trial in trials:
        without += 1
        if not trial.complete or not trial.values:
            continue
        tail = trial.values[-(len(trial.values) // _SHARE) :] if len(trial.values) >= 3 * _SHARE else []
        if tail:
            noises.append(_noise(tail))
        score = sign * trial.values[-1]
        if best is None or score > best + (median(noises) if noises else 0.0):
            best, without = score, 0
    return without


def _noise(values: Sequence[float]) -> float:
    """Standard deviation around the least-squares line through at least three values."""
    count = len(values)
    centre, mean = (count - 1) / 2, sum(values) / count
    spread = sum((at - centre) ** 2 for at in range(count))
    slope = sum((at - centre) * (value - mean) for at, value in enumerate(values)) / spread
    residuals = (value - mean - slope * (at - centre) for at, value in enumerate(values))
    return float((sum(residual**2 for residual in residuals) / (count - 2)) ** 0.5)
