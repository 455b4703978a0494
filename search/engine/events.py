"""The events of a search, in order: the stream that `Search` yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from search.records.sweep import State
from trainable.epoch import Epoch


@dataclass(frozen=True, slots=True)
class Note:
    """A message for the user: before the search begins, that a torn journal was repaired, the plan extended,
    another run's trials taken over; at any time, that a machine is refused."""

    kind: ClassVar[str] = "noted"
    """The event's name in JSON; so for each event."""
    sentence: str
    """The message."""


@dataclass(frozen=True, slots=True)
class Started:
    """The search is up and begins to train."""

    kind: ClassVar[str] = "started"
    workers: int
    """Maximum number of trials trained at once."""
    hosts: int
    """Machines that can train, at least 1."""
    device: str
    """"cpu", "cuda" or "mps"; "any" if only some trials are given a GPU."""
    session: int
    """Number of this start: 0 for the first, 1 for the first resume."""
    finished: int
    """Trials that ended before this start."""
    epochs: int
    """Epochs trained before this start."""


@dataclass(frozen=True, slots=True)
class ClusterResized:
    """Machines joined the cluster or left it."""

    kind: ClassVar[str] = "resized"
    workers: int
    """Maximum number of trials trained at once after the change; 0 while no machine can hold one."""
    hosts: int
    """Machines that can train."""


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial is sent to a worker, or ended without training."""

    kind: ClassVar[str] = "trial_started"
    number: int
    """The trial's number."""
    sampled: Mapping[str, Any]
    """Hyperparameter -> value drawn for the trial."""
    epochs: int
    """Total number of epochs of its recipe."""
    resumed_from: int
    """Epochs trained in earlier starts; 0 for a new trial."""


@dataclass(frozen=True, slots=True)
class EpochReported:
    """An epoch was recorded."""

    kind: ClassVar[str] = "epoch_reported"
    number: int
    """The trial's number."""
    epoch: Epoch
    """The epoch with all its metrics."""
    score: float
    """The metric by which the trial is judged, after this epoch."""


@dataclass(frozen=True, slots=True)
class TrialPaused:
    """A trial's pruner paused it. Another TrialStarted continues it, or a TrialEnded makes it PRUNED."""

    kind: ClassVar[str] = "trial_paused"
    number: int
    """The trial's number."""
    epochs: int
    """Epochs on record."""
    score: float | None
    """The metric after its last epoch."""


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is over, and its state recorded."""

    kind: ClassVar[str] = "trial_ended"
    number: int
    """The trial's number."""
    state: State
    """Its final state."""
    epochs: int
    """Epochs on record."""
    score: float | None
    """The metric after its last epoch; None without an epoch."""
    error: str | None
    """Why it FAILED or DIVERGED; None for any other state."""
    same_as: int | None = None
    """Number of the trial that trained the same recipe before, whose result was copied; None for a trial that
    was trained itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The search stopped: the last event of the stream."""

    kind: ClassVar[str] = "ended"
    reason: Literal["budget", "interrupted"]
    """budget: the plan is fulfilled. interrupted: stopped before that; it can be resumed."""
    detail: str
    """The reason as a sentence."""
    seconds: float
    """Wall time of this start."""


Event = Note | Started | ClusterResized | TrialStarted | EpochReported | TrialPaused | TrialEnded | Ended
