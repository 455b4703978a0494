"""The Ray Tune trainable function: one trial, trained, reported epoch by epoch and checkpointed.

The only file here that imports ray.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import ray
from ray import ObjectRef, tune

from trainable.assignment import Assignment, Outcome, Report
from trainable.checkpoint import Checkpoint, latest
from trainable.contract import Metric, TrainingRun, load_trainable, recipe_sha256
from trainable.durable import write_whole
from trainable.epoch import Diverged, Epoch


class NotStored(RuntimeError):
    """An epoch could not be written to the trial's folder; says where and why."""


@dataclass(frozen=True)
class Mapped:
    """Where the data lies in Ray's object store, and the folder the trainable is imported from. A
    reference and not the data itself: a user's classes are unpickled once that folder is known."""

    data: ObjectRef[Any]
    root: str


def train_trial(config: dict[str, Any], mapped: Mapped) -> None:
    """Train the assignment in `config` to its end, from its newest checkpoint if it has one.

    Each epoch is checkpointed before it is reported, so that what is on record can be continued.
    A fault of the trainable is reported, not raised: the process stays usable for further trials.
    """
    assignment = Assignment(**config)
    folder = Path(assignment.folder)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    if mapped.root not in sys.path:
        sys.path.append(mapped.root)
    try:
        with _sole(folder):
            if assignment.announced:
                tune.report(Report(assignment.number, worker).to_result())
            for report in _reports(assignment, folder, worker, ray.get(mapped.data)):
                tune.report(report.to_result())
    except Diverged as error:
        _end(assignment, worker, "DIVERGED", str(error))
    except NotStored as error:
        _end(assignment, worker, "UNSTORED", str(error))
    except Exception as error:  # whatever a recipe or a user's trainable may raise
        with suppress(OSError):  # the sentence, which the journal keeps, matters more
            write_whole(folder / "error.txt", traceback.format_exc())
        _end(assignment, worker, "FAILED", f"{type(error).__name__}: {error}")


def _end(assignment: Assignment, worker: str, outcome: Outcome, error: str) -> None:
    tune.report(Report(assignment.number, worker, outcome=outcome, error=error).to_result())


def _reports(assignment: Assignment, folder: Path, worker: str, data: Any) -> Iterator[Report]:
    """What there is to tell: epochs the driver has not on record, and the end, once."""
    trainable = load_trainable(assignment.trainable)
    recipe = trainable.Recipe.model_validate_json(assignment.recipe)
    training = trainable.Training(recipe, data, assignment.device, assignment.threads)
    checkpoint, faults = latest(folder / "checkpoint.safetensors", assignment.recipe)
    stored: tuple[Epoch, ...] = ()
    if checkpoint is not None:
        training.load_state_dict(checkpoint.state)
        stored = checkpoint.epochs
    if faults:
        yield Report(assignment.number, worker, note="; ".join(faults))
    outcome: Outcome | None = None
    for epoch in chain(stored, _trained(training, stored, folder, assignment.recipe, trainable.METRIC)):
        if epoch.number > assignment.reported:
            # The end rides on the last epoch's report: one message less for every trial.
            if epoch.number < assignment.epochs:
                yield Report(assignment.number, worker, epoch)
            else:
                outcome = "COMPLETE"
                yield Report(assignment.number, worker, epoch, outcome, **_made(assignment, training))
    if outcome is None:
        yield Report(assignment.number, worker, outcome="COMPLETE", **_made(assignment, training))


def _made(assignment: Assignment, training: TrainingRun) -> dict[str, Any]:
    """By what the training is known again, once it has come to its end."""
    return {
        "recipe_sha256": recipe_sha256(json.loads(assignment.recipe)),
        "weights_sha256": getattr(training, "weights_sha256", None),
        "parameters": getattr(training, "parameters", None),
    }


def _trained(
    training: TrainingRun, stored: tuple[Epoch, ...], folder: Path, recipe: str, metric: Metric
) -> Iterator[Epoch]:
    """The epochs still to train, each stored before it is handed on. Raises NotStored, and
    TypeError where the trainable breaks its contract."""
    epochs = list(stored)
    for epoch in training:
        if epoch.number != len(epochs) + 1:
            raise TypeError(
                f"epochs are numbered from 1 without a gap, but {epoch.number} follows {len(epochs)}"
            )
        if metric.name not in epoch.metrics:
            raise TypeError(
                f"an epoch's metrics must hold {metric.name!r} (METRIC), but hold {list(epoch.metrics)}"
            )
        epochs.append(epoch)
        state = training.state_dict()
        lines = "".join(json.dumps(each.to_json(), allow_nan=False) + "\n" for each in epochs)
        with _storing(f"epoch {epoch.number} cannot be stored in {folder}"):
            Checkpoint(state, tuple(epochs), recipe).write(folder / "checkpoint.safetensors")
            write_whole(folder / "epochs.jsonl", lines)
        yield epoch


@contextmanager
def _sole(folder: Path) -> Iterator[None]:
    """Make the trial's folder and hold its lock. A worker that outlives its killed driver by an
    epoch holds it still; the kernel drops it when that process ends. Raises NotStored."""
    with _storing(f"nothing can be stored in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    with file:
        with _storing(f"{folder / 'lock'} cannot be locked"):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _storing(what: str) -> Iterator[None]:
    """Turn the system's refusal into NotStored."""
    try:
        yield
    except OSError as error:
        raise NotStored(f"{what}: {error.strerror or error}") from error
