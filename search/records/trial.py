"""One trial as a search left it: a frozen record. Needs neither ray nor torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from search.records import schema
from search.records.folder import RunFolder
from search.records.typed import typed
from trainable.epoch import Epoch
from trainable.errors import BenchsweepError
from trainable.storage.epochs import EpochLog


class RunDamaged(BenchsweepError, ValueError):
    """A file of the run cannot be read; says which and why."""


class State(StrEnum):
    """What became of a trial; Optuna's states, with three of our own."""

    RUNNING = "RUNNING"
    """Its search is alive and trains it."""
    INTERRUPTED = "INTERRUPTED"
    """RUNNING in Optuna's words, but its search is not alive; a resumed search continues it."""
    PAUSED = "PAUSED"
    """RUNNING in Optuna's words, but its pruner paused it: the search continues it if it becomes promising,
    and makes it PRUNED at the end."""
    COMPLETE = "COMPLETE"
    """Trained to its recipe's last epoch."""
    PRUNED = "PRUNED"
    """Stopped early, because it was worse than others at the same epoch, or abandoned."""
    DIVERGED = "DIVERGED"
    """Its loss left the finite numbers; PRUNED in Optuna's words."""
    FAILED = "FAILED"
    """It raised an error, or its workers kept dying."""

    def is_finished(self) -> bool:
        """Whether it is final."""
        return self not in (State.RUNNING, State.INTERRUPTED, State.PAUSED)


@dataclass(frozen=True)
class Placement:
    """A worker that trained a trial, for as long as it did."""

    worker: str
    """ "host:pid"."""
    session: int
    """The number of the start that the worker belonged to."""
    epoch: int
    """Epochs that the trial had when it came there; 0 at first."""
    since: datetime
    """When its first epoch there began, or was to begin (UTC, the driver's clock)."""


@dataclass(frozen=True)
class Trial:
    """One recipe, trained."""

    number: int
    """0 for the first; kept over every interruption."""
    recipe: Mapping[str, Any]
    """The complete recipe as plain JSON values; empty where the trainable refused it."""
    sampled: Mapping[str, Any]
    """The hyperparameters that the sampler chose."""
    state: State
    """What became of it."""
    epochs: tuple[Epoch, ...]
    """Those on record, in order."""
    score: float | None
    """The metric after the last epoch on record, or after the best one, as `Metric.take` says; None before
    the first."""
    error: str | None
    """Why it is FAILED or DIVERGED, as a sentence; None otherwise."""
    resumed_from: tuple[int, ...]
    """The epochs after which a later start continued it, in order."""
    worker: str | None
    """ "host:pid" of the process that trained it last; None before any did."""
    started: datetime | None
    """When it was suggested (UTC)."""
    ended: datetime | None
    """When it ended (UTC); None while its state is not final."""
    notes: tuple[str, ...] = ()
    """Sentences on what happened to it, such as a damaged checkpoint that was passed over."""
    session: int | None = None
    """The number of the start that trained it last; None before any did."""
    same_as: int | None = None
    """The trial with the same recipe whose outcome it took without being trained; None if it was trained."""
    abandoned: bool = False
    """Whether it was interrupted and then PRUNED, because its plan was changed and excludes it now."""
    recipe_sha256: str | None = None
    """The SHA-256 of the recipe that its worker trained; None if it is not COMPLETE."""
    weights_sha256: str | None = None
    """The SHA-256 of its weights; None if it is not COMPLETE, or its trainable has no such sum."""
    parameters: int | None = None
    """How many numbers it learned; None if it is not COMPLETE, or its trainable does not tell."""
    placements: tuple[Placement, ...] = ()
    """The workers that trained it, in order; empty in runs of older versions, which recorded none."""
    pauses: tuple[int, ...] = ()
    """The epochs after which its pruner paused it, in order."""
    requested: bool = False
    """Whether the plan's [[first]] tables or a user asked for its recipe, so that no sampler chose it."""
    audited: int | None = None
    """The epoch after which its pruner would have stopped it, had it not been audited; None for others."""
    device: str | None = None
    """The device that it was trained on, if that differs among the trials; None if the environment has it."""
    excess: float = 0.0
    """By how much it breaks the bounds of the plan's [constraints], summed, as shares of the bounds; 0 if it
    keeps them, 1e9 if a metric was not reported. `notes` has a sentence for each that it breaks."""

    @property
    def seconds(self) -> float:
        """Training time, summed over the epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


def epochs_at(trial: Trial, placements: Sequence[Placement], index: int) -> list[Epoch]:
    """The epochs that a trial trained at one of its placements."""
    last = placements[index + 1].epoch if index + 1 < len(placements) else math.inf
    return [epoch for epoch in trial.epochs if placements[index].epoch < epoch.number <= last]


def trained_until(placement: Placement, epochs: Sequence[Epoch]) -> datetime:
    """The end of a placement in which these epochs were trained without a break."""
    return placement.since + timedelta(seconds=sum(epoch.seconds for epoch in epochs))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a file's unexpected content raises into RunDamaged, which names the file.

    The file may hold anything, and Optuna, which replays it, may raise anything, such as AssertionError for
    an operation that it does not know."""
    try:
        yield
    except (BenchsweepError, OSError):
        raise
    except Exception as error:
        raise RunDamaged(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            "restore it from a copy, or start the run again under another name",
        ) from error


def trial_of(run: RunFolder, frozen: FrozenTrial, alive: bool) -> Trial:
    """The trial that the study in the folder `run` holds. alive: whether a process owns the run. Raises
    TypeError and others if the record is of the wrong shape, and RunDamaged for the file of its epochs."""
    attributes = frozen.user_attrs
    values = frozen.intermediate_values
    recipe = attributes.get(schema.RECIPE, {})
    if not isinstance(recipe, Mapping):
        raise TypeError(f"the recipe of trial {frozen.number} must be a table, but is {recipe!r:.80}")
    abandoned = attributes.get(schema.ABANDONED)
    placements = tuple(
        Placement(**{**placement, "since": datetime.fromisoformat(placement["since"])})
        for placement in attributes.get(schema.PLACEMENTS, ())
    )
    trial = Trial(
        number=frozen.number,
        recipe=recipe,
        sampled={name: recipe.get(name, value) for name, value in frozen.params.items()},
        state=state_of(frozen, alive),
        epochs=_epochs(run, frozen),
        score=values[max(values)] if values else None,
        error=attributes.get(schema.ERROR) or attributes.get(schema.DIVERGED),
        session=attributes.get(schema.SESSION),
        resumed_from=tuple(attributes.get(schema.RESUMED_FROM, ())),
        worker=placements[-1].worker if placements else attributes.get(schema.WORKER),
        started=_utc(frozen.datetime_start),
        ended=_utc(frozen.datetime_complete),
        notes=(*attributes.get(schema.NOTES, ()), *([] if abandoned is None else [abandoned])),
        same_as=attributes.get(schema.SAME_AS),
        abandoned=abandoned is not None,
        recipe_sha256=attributes.get(schema.RECIPE_SHA256),
        weights_sha256=attributes.get(schema.WEIGHTS_SHA256),
        parameters=attributes.get(schema.PARAMETERS),
        placements=placements,
        pauses=tuple(attributes.get(schema.PAUSED, ())),
        requested=schema.KNOWN in attributes,
        audited=attributes.get(schema.AUDITED),
        device=attributes.get(schema.DEVICE),
    )
    return typed(trial)


def check_consistent(trials: Sequence[Trial], starts: int) -> None:
    """Raises ValueError unless trials are numbered from 0, and refer to trials and starts that there are, and
    to recipes that have epochs and a seed. starts: how many there are on record."""
    for index, trial in enumerate(trials):
        if trial.number != index:
            raise ValueError(f"trials must be numbered from 0, but trial {trial.number} is number {index}")
        if not 0 <= (trial.session or 0) < max(1, starts):
            raise ValueError(
                f"trial {index} must belong to one of {starts} starts, but names {trial.session}"
            )
        if trial.same_as is not None and not 0 <= trial.same_as < len(trials):
            raise ValueError(f"trial {index} must repeat another one, but names {trial.same_as}")
        for name in ("epochs", "seed"):
            if trial.recipe and type(trial.recipe.get(name)) is not int:
                raise ValueError(f"{name} of trial {index}'s recipe must be a whole number")


def state_of(frozen: FrozenTrial, alive: bool) -> State:
    """Our state of an Optuna trial. alive: whether a process owns its run."""
    if frozen.state.name == "RUNNING":
        if schema.is_paused(frozen.user_attrs):
            return State.PAUSED
        return State.RUNNING if alive else State.INTERRUPTED
    if frozen.state.name == "PRUNED":
        return State.DIVERGED if schema.DIVERGED in frozen.user_attrs else State.PRUNED
    return State.COMPLETE if frozen.state.name == "COMPLETE" else State.FAILED


def _epochs(run: RunFolder, frozen: FrozenTrial) -> tuple[Epoch, ...]:
    """The epochs on record. The journal says which they are; their other figures are in the trial's own
    file, which may be an epoch ahead of it."""
    path = run.trial(frozen.number).epochs
    if not frozen.intermediate_values:
        return ()
    with reading(path):
        try:
            stored = EpochLog(path.parent).read()
        except FileNotFoundError:
            return ()
    return tuple(epoch for epoch in stored if epoch.number in frozen.intermediate_values)


def _utc(time: datetime | None) -> datetime | None:
    """Optuna's times are the local clock's, without a zone."""
    return None if time is None else time.astimezone(UTC)
