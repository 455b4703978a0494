"""What passes between a search and its workers: an assignment there, reports back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from trainable.epoch import Epoch

Outcome = Literal["COMPLETE", "DIVERGED", "FAILED", "UNSTORED", "SUPERSEDED"]
"""How a trial ended on its worker. UNSTORED: an epoch was trained but could not be stored (a full
disk, a folder that has gone): no fault of the recipe, so the trial is not over and the search stops.
SUPERSEDED: another worker has the trial. A driver that is still told so is not the one that sent it."""


@dataclass(frozen=True)
class Assignment:
    """What the driver asks of a worker; travels as a Ray Tune config, so its values are plain.

    number: the trial's. trainable: module name. recipe: JSON. epochs: the recipe's. folder: the
    trial's, absolute. device: "cpu", "cuda" or "mps". threads: CPU threads to train with. reported: epochs
    the driver has on record; those are not reported again. announced: whether to tell that training
    begins, which a driver that watches for hanging trials wants to know. claim: (a number of the process
    that searches, which of its workers for this trial), see `trainable.storage.claim`. storage: address of
    the folder for checkpoints, where that is not the trial's own; then nothing is written there, for this
    machine may not see it.
    """

    number: int
    trainable: str
    recipe: str
    epochs: int
    folder: str
    device: str
    threads: int
    reported: int
    announced: bool = False
    claim: tuple[int, int] = (0, 0)
    storage: str | None = None


@dataclass(frozen=True)
class TrialReport:
    """What a worker tells the driver: an epoch, or the trial's end, or both at once.

    note: a sentence for the record (a damaged checkpoint that was passed over). traceback: of a FAILED
    training whose worker may not see the trial's folder. With the outcome
    COMPLETE come the SHA-256 of the recipe that was trained, and of the weights where the training
    has some to tell, and how many numbers it learned.
    """

    number: int
    worker: str
    epoch: Epoch | None = None
    outcome: Outcome | None = None
    error: str | None = None
    note: str | None = None
    recipe_sha256: str | None = None
    weights_sha256: str | None = None
    parameters: int | None = None
    traceback: str | None = None

    def to_result(self) -> dict[str, Any]:
        """As Ray Tune's result. The epoch travels as text, for Ray flattens what is nested."""
        epoch = None if self.epoch is None else json.dumps(self.epoch.to_json(), allow_nan=False)
        return {**vars(self), "epoch": epoch}

    @classmethod
    def from_result(cls, result: dict[str, Any]) -> TrialReport:
        """The report that `to_result` told, among whatever Ray added to it."""
        fields: dict[str, Any] = {name: result.get(name) for name in cls.__dataclass_fields__}
        epoch = None if fields["epoch"] is None else Epoch.from_json(json.loads(fields["epoch"]))
        return cls(**{**fields, "epoch": epoch})
