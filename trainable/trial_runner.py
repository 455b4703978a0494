"""One trial, trained epoch by epoch: claimed, resumed from its newest checkpoint, stored, reported.

Knows no engine. Ray's worker and a search in this process both train this way.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from bdb import BdbQuit
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from trainable.assignment import Assignment, Outcome, TrialReport
from trainable.contract import Metric, TrainingRun, load_trainable, recipe_sha256
from trainable.epoch import Diverged, Epoch
from trainable.storage.checkpoint import Checkpoint, CheckpointLocation, latest
from trainable.storage.claim import Claim, Superseded
from trainable.storage.durable import write_atomic
from trainable.storage.epochs import EpochLog
from trainable.storage.lock import lock_file
from trainable.storage.remote import RemoteFolder


class NotStored(RuntimeError):
    """An epoch could not be written to the trial's folder; says where and why."""


def run_trial(assignment: Assignment, load_data: Callable[[], Any]) -> Generator[TrialReport]:
    """Train the assignment to its end, from its newest checkpoint if it has one.

    Each epoch is checkpointed before it is reported, so that what is on record can be continued. An error of
    the trainable is reported, not raised: the process stays usable for further trials. The trial's folder is
    locked until the iterator is exhausted or closed. load_data: returns what the trainable's Source loaded.
    """
    store = _Store(assignment)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        with store.held():
            if assignment.announced:
                yield TrialReport(assignment.number, worker)
            yield from _reports(assignment, store, worker, load_data())
    except Superseded as error:
        yield TrialReport(assignment.number, worker, outcome="SUPERSEDED", error=str(error))
    except Diverged as error:
        yield TrialReport(assignment.number, worker, outcome="DIVERGED", error=str(error))
    except NotStored as error:
        yield TrialReport(assignment.number, worker, outcome="UNSTORED", error=str(error))
    except BdbQuit:  # the user left the debugger, which is no error of the trainable
        raise
    except Exception as error:  # whatever a recipe or a user's trainable may raise
        yield TrialReport(
            assignment.number,
            worker,
            outcome="FAILED",
            error=f"{type(error).__name__}: {error}",
            traceback=store.explain(traceback.format_exc()),
        )


def _reports(assignment: Assignment, store: _Store, worker: str, data: Any) -> Iterator[TrialReport]:
    """What there is to tell: epochs the driver has not on record, and the end, once."""
    trainable = load_trainable(assignment.trainable)
    recipe = trainable.Recipe.model_validate_json(assignment.recipe)
    training = trainable.Training(recipe, data, assignment.device, assignment.threads)
    stored: tuple[Epoch, ...] = ()
    checkpoint = store.newest()
    if checkpoint is not None:
        training.load_state_dict(checkpoint.state)
        stored = checkpoint.epochs
    outcome: Outcome | None = None
    for epoch in chain(stored, _trained(training, stored, store, trainable.METRIC)):
        if store.notes:
            yield TrialReport(assignment.number, worker, note="; ".join(store.notes))
            store.notes.clear()
        if epoch.number > assignment.reported:
            # The end rides on the last epoch's report: one message less for every trial.
            if epoch.number < assignment.epochs:
                yield TrialReport(assignment.number, worker, epoch)
            else:
                outcome = "COMPLETE"
                yield TrialReport(assignment.number, worker, epoch, outcome, **_made(assignment, training))
    if outcome is None:
        yield TrialReport(assignment.number, worker, outcome="COMPLETE", **_made(assignment, training))


def _made(assignment: Assignment, training: TrainingRun) -> dict[str, Any]:
    """By what the training is known again, once it has come to its end."""
    return {
        "recipe_sha256": recipe_sha256(json.loads(assignment.recipe)),
        "weights_sha256": getattr(training, "weights_sha256", None),
        "parameters": getattr(training, "parameters", None),
    }


def _trained(
    training: TrainingRun, stored: tuple[Epoch, ...], store: _Store, metric: Metric
) -> Iterator[Epoch]:
    """The epochs still to train, each stored before it is handed on. Raises NotStored, Superseded, and
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
        store.keep(training, epochs)
        yield epoch


class _Store:
    """Where a trial's state is kept: in its folder, or on remote storage, beside which nothing is written.
    notes: what there is to tell of it."""

    def __init__(self, assignment: Assignment) -> None:
        self._recipe = assignment.recipe
        self._folder = Path(assignment.folder)
        self._remote = None if assignment.storage is None else RemoteFolder(assignment.storage)
        self._place: CheckpointLocation = self._remote or self._folder / "checkpoint.safetensors"
        self._log = EpochLog(self._folder)
        self._claim = Claim(self._remote or self._folder, *assignment.claim)
        self._waited = RemoteFolder.waited
        self.notes: list[str] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Claim the trial, and hold its folder's lock, which a worker that outlives its killed driver by an
        epoch may hold still; the kernel drops it when that process ends. One that is cut off keeps it for
        longer, and is not waited for: it finds the claim. Raises NotStored, Superseded."""
        with _storing(f"nothing can be stored in {self._remote or self._folder}"):
            if self._remote is None:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._claim.make()
        if self._remote is not None:
            yield
            return
        with _storing(f"nothing can be stored in {self._folder}"):
            file = (self._folder / "lock").open("w")
        with file:
            with _storing(f"{self._folder / 'lock'} cannot be locked"):
                lock_file(file, patience=10.0)
            yield

    def newest(self) -> Checkpoint | None:
        """The last whole checkpoint. Raises NotStored where remote storage does not answer."""
        with _storing(f"no checkpoint can be read from {self._place}"):
            found, faults = latest(self._place, self._recipe)
        self.notes += faults
        if found is not None and self._remote is None:
            with _storing(f"nothing can be stored in {self._folder}"):
                self._log.restore(found.epochs)
        return found

    def keep(self, training: TrainingRun, epochs: list[Epoch]) -> None:
        """Store what the training is after these epochs. Raises NotStored, Superseded."""
        checkpoint = Checkpoint(training.state_dict(), tuple(epochs), self._recipe)
        last = epochs[-1].number
        with _storing(f"epoch {last} cannot be stored in {self._remote or self._folder}"):
            self._claim.check()
            checkpoint.keep(self._place, self._claim.check)
            if self._remote is None:
                self._log.append(epochs[-1])
        waited, self._waited = RemoteFolder.waited - self._waited, RemoteFolder.waited
        if waited > 1:
            self.notes.append(f"its storage did not answer for {waited:.0f} s, until epoch {last} was stored")

    def explain(self, told: str) -> str | None:
        """Write down a traceback; None where that was done, else the driver is to do it."""
        if self._remote is not None:
            return told
        with suppress(OSError):  # the sentence, which the journal keeps, matters more
            write_atomic(self._folder / "error.txt", told)
        return None


@contextmanager
def _storing(what: str) -> Iterator[None]:
    """Turn the system's refusal into NotStored."""
    try:
        yield
    except OSError as error:
        raise NotStored(f"{what}: {error.strerror or error}") from error
