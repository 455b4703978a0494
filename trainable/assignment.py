"""The messages between a search and its workers: an assignment to the worker, reports back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from trainable.contract import Direction, Take
from trainable.epoch import Epoch

Outcome = Literal["COMPLETE", "DIVERGED", "FAILED", "PRUNED", "UNSTORED", "SUPERSEDED"]
"""How a trial ended on its worker.

PRUNED: its own code ended it.
UNSTORED: an epoch was trained but could not be stored, because the disk is full or the folder is gone. The
recipe is not at fault, so the trial is not over and the search stops.
SUPERSEDED: another worker has claimed the trial. A driver that receives this did not send that worker.
"""


@dataclass(frozen=True)
class Assignment:
    """What a worker must train. Travels as a Ray Tune config, so its values are plain."""

    number: int
    """Number of the trial."""
    trainable: str
    """Name of the trainable, as in the plan."""
    recipe: str
    """The recipe as JSON."""
    epochs: int
    """Number of epochs in the recipe."""
    folder: str
    """Absolute path of the trial's folder."""
    device: str
    """"cpu", "cuda" or "mps"."""
    threads: int
    """Number of CPU threads to train with."""
    reported: int
    """Number of epochs that the driver has on record. They are not reported again."""
    announced: bool = False
    """Whether to report the start of training, which a driver with a trial timeout needs."""
    claim: tuple[int, int] = (0, 0)
    """A random number of the driver, and the number of this worker among those it sent for the trial; see
    `trainable.storage.claim`."""
    storage: str | None = None
    """URL of the folder for checkpoints; None if they are stored in `folder`. With a URL, the worker writes
    nothing to `folder`, which its machine may not have."""
    code: str | None = None
    """The folder from which the trainable's module is imported; None for one that is installed."""
    draws: int | None = None
    """Of an objective, the seed of the values that the recipe does not have; None for the middle of each
    range."""
    metric: tuple[str, Direction, str, Take] | None = None
    """Name, direction, unit and `take` of the metric, if the trainable does not say so; None if it does."""


@dataclass(frozen=True)
class TrialReport:
    """A message from a worker to the driver: an epoch, the end of the trial, or both at once."""

    number: int
    """Number of the trial."""
    worker: str
    """The worker's host and process id: "host:4711"."""
    epoch: Epoch | None = None
    """An epoch that was trained and stored; None if the message is about something else."""
    outcome: Outcome | None = None
    """How the trial ended; None if it is still running."""
    error: str | None = None
    """Why the trial ended; None if it is still running or COMPLETE."""
    suggested: str | None = None
    """What an objective asked to be suggested, as JSON: Optuna's distribution and the value by name."""
    note: str | None = None
    """A sentence to record with the trial, such as that a damaged checkpoint was skipped."""
    recipe_sha256: str | None = None
    """SHA-256 of the trained recipe; None unless COMPLETE."""
    weights_sha256: str | None = None
    """SHA-256 of the trained weights; None unless COMPLETE, or if the training does not compute one."""
    parameters: int | None = None
    """Number of learned parameters; None unless COMPLETE, or if the training does not count them."""
    raised: str | None = None
    """Names of the type of what a FAILED trial raised, and of those that it is derived from, separated by
    spaces."""
    traceback: str | None = None
    """Traceback of a FAILED trial whose worker could not write it to the trial's folder."""

    def to_result(self) -> dict[str, Any]:
        """Returns the report as a Ray Tune result. The epoch is a string: Ray flattens nested values."""
        epoch = None if self.epoch is None else json.dumps(self.epoch.to_json(), allow_nan=False)
        return {**vars(self), "epoch": epoch}

    @classmethod
    def from_result(cls, result: dict[str, Any]) -> TrialReport:
        """Returns the report in a Ray Tune result, to which Ray has added keys of its own."""
        fields: dict[str, Any] = {name: result.get(name) for name in cls.__dataclass_fields__}
        epoch = None if fields["epoch"] is None else Epoch.from_json(json.loads(fields["epoch"]))
        return cls(**{**fields, "epoch": epoch})
