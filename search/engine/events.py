"""What a search tells while it runs, in order: the stream that its watcher iterates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from search.records.sweep import State
from trainable.epoch import Epoch


@dataclass(frozen=True, slots=True)
class Started:
    """The search is up. workers: trials trained at once; hosts: machines in the cluster.

    finished: trials that were over before this start; epochs: those trained before it.
    """

    workers: int
    hosts: int
    device: str
    session: int
    finished: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Resized:
    """Machines joined the cluster or left it. workers: trials at once from now on; hosts: machines."""

    workers: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to know, as a sentence: before the search begins, that a torn journal was mended, the plan
    extended, another run's trials taken over; at any time, that a machine is refused."""

    sentence: str


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial goes to a worker. resumed_from: epochs it brings from an earlier start, else 0."""

    number: int
    sampled: Mapping[str, Any]
    epochs: int
    resumed_from: int


@dataclass(frozen=True, slots=True)
class EpochReported:
    """An epoch was recorded. score: the metric the trial is judged by, after it."""

    number: int
    epoch: Epoch
    score: float


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is over; its state is in the study. epochs: on record. error: the sentence that tells
    why it FAILED or DIVERGED. same_as: the trial that trained the same recipe before, and whose end
    this one was given; None for one that was trained."""

    number: int
    state: State
    epochs: int
    score: float | None
    error: str | None
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The search stopped: last of the stream.

    reason: "budget" (the plan is fulfilled), "interrupted" (asked to stop; it can be resumed).
    detail: the same as a sentence. seconds: wall time of this start.
    """

    reason: Literal["budget", "interrupted"]
    detail: str
    seconds: float


Event = Noted | Started | Resized | TrialStarted | EpochReported | TrialEnded | Ended
