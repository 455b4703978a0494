"""Trains one trial, from its claim to its last report. Does not depend on Ray."""

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
from trainable.contract import Metric, TrainingRun, recipe_sha256
from trainable.epoch import Diverged, Epoch
from trainable.forms import trainable_of
from trainable.function import Declaration
from trainable.record import from_record
from trainable.storage.checkpoint import Checkpoint, CheckpointLocation, best_of, latest
from trainable.storage.claim import Claim, Superseded
from trainable.storage.durable import write_atomic
from trainable.storage.epochs import EpochLog
from trainable.storage.lock import lock_file
from trainable.storage.remote import RemoteFolder
from trainable.user_code import StoppedItself, epoch_faults

EpochSource = Callable[[Any, Any, TrainingRun, int], Iterator[Epoch]]
"""Given a trainable, a recipe, its training and the number of epochs trained so far, returns the others."""


def alone(trainable: Any, recipe: Any, training: TrainingRun, done: int) -> Iterator[Epoch]:
    """The epochs of a training, trained by itself."""
    return iter(training)


class NotStored(RuntimeError):
    """An epoch could not be written to the trial's folder."""


def run_trial(
    assignment: Assignment, load_data: Callable[[], Any], epochs: EpochSource = alone
) -> Generator[TrialReport]:
    """Trains an assignment to its end, starting from its latest checkpoint if it has one.

    Each epoch is stored before it is reported, so that the search can be resumed from any recorded epoch. An
    error of the trainable is reported, not raised, so that the process can train further trials; only
    bdb.BdbQuit is raised. The trial's folder is locked until the iterator is exhausted or closed.

    load_data: returns what the trainable's `Source.load` returned. epochs: trains them; unless it is `alone`,
    a report without content says that it was called.
    """
    store = _TrialStore(assignment)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        with store.claimed():
            if assignment.announced:
                yield TrialReport(assignment.number, worker)
            yield from _train(assignment, store, worker, load_data(), epochs)
    except Superseded as error:
        yield TrialReport(assignment.number, worker, outcome="SUPERSEDED", error=str(error))
    except Diverged as error:
        yield TrialReport(assignment.number, worker, outcome="DIVERGED", error=str(error))
    except StoppedItself:
        yield TrialReport(assignment.number, worker, outcome="PRUNED")
    except NotStored as error:
        yield TrialReport(assignment.number, worker, outcome="UNSTORED", error=str(error))
    except BdbQuit:  # the user left the debugger, which is no error of the trainable
        raise
    except Exception as error:  # a user's trainable may raise anything
        yield TrialReport(
            assignment.number,
            worker,
            outcome="FAILED",
            error=f"{type(error).__name__}: {error}",
            raised=" ".join(kind.__name__ for kind in type(error).__mro__),
            traceback=store.write_traceback(traceback.format_exc()),
        )


def _train(
    assignment: Assignment, store: _TrialStore, worker: str, data: Any, source: EpochSource
) -> Iterator[TrialReport]:
    """Reports the epochs that the driver does not have on record, and the end of the trial once."""
    values = json.loads(assignment.recipe)
    declared = None if assignment.metric is None else Metric(*assignment.metric)
    code = None if assignment.code is None else Path(assignment.code)
    trainable = trainable_of(assignment.trainable, Declaration(values, declared, assignment.draws), code)
    metric = declared or trainable.METRIC
    recipe = from_record(trainable.Recipe, values)
    training = trainable.Training(recipe, data, assignment.device, assignment.threads)
    stored: tuple[Epoch, ...] = ()
    checkpoint = store.load_checkpoint()
    if checkpoint is not None:
        training.load_state_dict(checkpoint.state)
        stored = checkpoint.epochs
    remaining = source(trainable, recipe, training, len(stored))
    if source is not alone:
        yield TrialReport(assignment.number, worker)

    def identity() -> dict[str, Any]:
        """The fields of a report that identify a completed training."""
        taken = training
        if metric.take == "best" and (best := store.load_best(epochs, metric)) is not None:
            taken = trainable.Training(recipe, data, assignment.device, assignment.threads)
            taken.load_state_dict(best.state)
        return {
            "recipe_sha256": recipe_sha256(getattr(training, "recipe_trained", values)),
            "weights_sha256": getattr(taken, "weights_sha256", None),
            "parameters": getattr(taken, "parameters", None),
        }

    epochs: list[Epoch] = []
    told = 0
    outcome: Outcome | None = None
    for epoch in _told(chain(stored, _train_and_store(training, remaining, stored, store, metric)), training):
        if not isinstance(epoch, Epoch):
            yield TrialReport(assignment.number, worker, suggested=epoch)
            continue
        epochs.append(epoch)
        notes = list(getattr(training, "notes", ()))
        store.notes += notes[told:]
        told = len(notes)
        if store.notes:
            yield TrialReport(assignment.number, worker, note="; ".join(store.notes))
            store.notes.clear()
        if epoch.number > assignment.reported:
            # The last epoch's report includes the end, which saves one message per trial.
            over = getattr(training, "over", False) and epoch.number >= len(stored)
            if epoch.number < assignment.epochs and not over:
                yield TrialReport(assignment.number, worker, epoch)
            else:
                outcome = "COMPLETE"
                yield TrialReport(assignment.number, worker, epoch, outcome, **identity())
    if outcome is None:
        yield TrialReport(assignment.number, worker, outcome="COMPLETE", **identity())


def _told(epochs: Iterator[Epoch], training: TrainingRun) -> Iterator[Epoch | str]:
    """The epochs; before each, and however they end, what was suggested since, as JSON."""
    take: Callable[[], dict[str, Any]] = getattr(training, "suggestions", dict)
    try:
        for epoch in epochs:
            if new := take():
                yield json.dumps(new)
            yield epoch
    except Exception:
        if new := take():
            yield json.dumps(new)
        raise
    if new := take():
        yield json.dumps(new)


def _train_and_store(
    training: TrainingRun,
    remaining: Iterator[Epoch],
    stored: tuple[Epoch, ...],
    store: _TrialStore,
    metric: Metric,
) -> Iterator[Epoch]:
    """Trains the remaining epochs and stores each before it is yielded.

    Raises NotStored, Superseded, and TrainableError if the trainable does not follow its contract.
    """
    epochs = list(stored)
    for epoch in remaining:
        if faults := epoch_faults(epoch, len(epochs), metric):
            raise faults[0]
        epochs.append(epoch)
        store.save(training, epochs, metric)
        yield epoch


class _TrialStore:
    """Stores the state of a trial, in the trial's folder or in remote storage."""

    notes: list[str]
    """Sentences to record with the trial."""

    def __init__(self, assignment: Assignment) -> None:
        self._recipe = assignment.recipe
        self._folder = Path(assignment.folder)
        self._remote = None if assignment.storage is None else RemoteFolder(assignment.storage)
        self._checkpoints: CheckpointLocation = self._remote or self._folder / "checkpoint.safetensors"
        self._epochs = EpochLog(self._folder)
        self._claim = Claim(self._remote or self._folder, *assignment.claim)
        self._seconds_waited = RemoteFolder.seconds_waited
        self.notes = []

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Claims the trial and locks its folder.

        A worker whose driver was killed may hold the lock until its epoch ends; the kernel releases it with
        the process. A worker that lost its driver but lives on is not waited for: it notices the new claim.
        Raises NotStored, Superseded.
        """
        with _as_not_stored(f"cannot write to {self._remote or self._folder}"):
            if self._remote is None:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._claim.acquire()
        if self._remote is not None:
            yield
            return
        with _as_not_stored(f"cannot write to {self._folder}"):
            file = (self._folder / "lock").open("w")
        with file:
            with _as_not_stored(f"cannot lock {self._folder / 'lock'}"):
                lock_file(file, patience=10.0)
            yield

    def load_checkpoint(self) -> Checkpoint | None:
        """Returns the latest checkpoint, or None if there is none.

        Raises NotStored if remote storage does not answer.
        """
        with _as_not_stored(f"cannot read a checkpoint from {self._checkpoints}"):
            checkpoint, errors = latest(self._checkpoints, self._recipe)
        self.notes += errors
        if checkpoint is not None and self._remote is None:
            with _as_not_stored(f"cannot write to {self._folder}"):
                self._epochs.restore(checkpoint.epochs)
        return checkpoint

    def load_best(self, epochs: list[Epoch], metric: Metric) -> Checkpoint | None:
        """Returns the checkpoint of the best of `epochs`; None if it was not stored.

        Raises NotStored if remote storage does not answer.
        """
        location = best_of(self._checkpoints)
        with _as_not_stored(f"cannot read a checkpoint from {location}"):
            checkpoint, errors = latest(location, self._recipe, metric.taken(epochs).number)
        self.notes += errors if checkpoint is None else []
        return checkpoint

    def save(self, training: TrainingRun, epochs: list[Epoch], metric: Metric) -> None:
        """Stores the training's state after `epochs`, also as that of the best epoch if `metric` takes that
        and it is the last one. Raises NotStored, Superseded."""
        checkpoint = Checkpoint(training.state_dict(), tuple(epochs), self._recipe)
        number = epochs[-1].number
        with _as_not_stored(f"cannot store epoch {number} in {self._remote or self._folder}"):
            self._claim.check()
            if metric.take == "best" and metric.taken(epochs) is epochs[-1]:
                # First, so that there is one for every epoch on record.
                checkpoint.save(best_of(self._checkpoints), before_retry=self._claim.check)
            checkpoint.save(self._checkpoints, before_retry=self._claim.check)
            if self._remote is None:
                self._epochs.append(epochs[-1])
        waited = RemoteFolder.seconds_waited - self._seconds_waited
        self._seconds_waited = RemoteFolder.seconds_waited
        if waited > 1:
            self.notes.append(f"storage did not answer for {waited:.0f} s, until epoch {number} was stored")

    def write_traceback(self, text: str) -> str | None:
        """Writes a traceback to the trial's folder. Returns it instead if the driver must write it."""
        if self._remote is not None:
            return text
        with suppress(OSError):  # the error message is in the journal anyway
            write_atomic(self._folder / "error.txt", text)
        return None


@contextmanager
def _as_not_stored(problem: str) -> Iterator[None]:
    """Raises an OSError as NotStored."""
    try:
        yield
    except OSError as error:
        raise NotStored(f"{problem}: {error.strerror or error}") from error
