"""One trial as a search left it: a frozen record. Needs neither ray nor torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from search.records.folder import RunFolder
from search.records.journal import JournalDamaged
from trainable.epoch import Epoch
from trainable.errors import BenchsweepError


class RunDamaged(BenchsweepError, ValueError):
    """A file of the run cannot be read as what it should be; says which and why."""


class State(StrEnum):
    """What became of a trial.

    RUNNING: its search is alive and trains it. INTERRUPTED: its search is not alive; resuming
    the search continues it. COMPLETE: trained to its recipe's last epoch. PRUNED: stopped early,
    for being worse than others at the same epoch. DIVERGED: its loss left the finite numbers.
    FAILED: it raised, or kept dying.
    """

    RUNNING = "RUNNING"
    INTERRUPTED = "INTERRUPTED"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    DIVERGED = "DIVERGED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Placement:
    """A worker that trained a trial, for as long as it did.

    worker: "host:pid". session: the start it belonged to. epoch: epochs the trial had when it came
    there; 0 at first. since: when its first epoch there began (UTC, the driver's clock); where it
    came to none, when that was told.
    """

    worker: str
    session: int
    epoch: int
    since: datetime


@dataclass(frozen=True)
class Trial:
    """One recipe, trained.

    number: 0 for the first; kept for life, over every interruption.
    recipe: the whole recipe as plain JSON values. sampled: what the sampler chose of it.
    epochs: in order, as far as it came.
    score: the metric after the last epoch trained; None before the first.
    error: the sentence that tells why it is FAILED or DIVERGED; None otherwise.
    session: the start that trained it last; None when none has.
    resumed_from: the epochs after which it was continued by a later start, in order.
    worker: "host:pid" of the process that trained it last.
    started, ended: when it was first suggested and when it was over (UTC).
    notes: sentences on what happened to it, such as a damaged checkpoint passed over.
    same_as: the trial that trained the same recipe before, and whose end this one was given without
    being trained; None for those that were.
    abandoned: whether it was interrupted and then left, PRUNED, for its plan was changed and does not
    ask for it any more.
    recipe_sha256, weights_sha256, parameters: what its worker said of the recipe it trained, of the
    weights it ended with and of how many there are; None where it is not COMPLETE or has none to tell.
    placements: the workers that trained it, in order; none in runs that were recorded before there were.
    device: it was trained on, where the trials of its search differ in that; else the environment's.
    """

    number: int
    recipe: Mapping[str, Any]
    sampled: Mapping[str, Any]
    state: State
    epochs: tuple[Epoch, ...]
    score: float | None
    error: str | None
    resumed_from: tuple[int, ...]
    worker: str | None
    started: datetime | None
    ended: datetime | None
    notes: tuple[str, ...] = ()
    session: int | None = None
    same_as: int | None = None
    abandoned: bool = False
    recipe_sha256: str | None = None
    weights_sha256: str | None = None
    parameters: int | None = None
    placements: tuple[Placement, ...] = ()
    device: str | None = None

    @property
    def seconds(self) -> float:
        """Training time, summed over the epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Say which file it was that could not be understood."""
    try:
        yield
    except JournalDamaged:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDamaged(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            "restore it from a copy, or start the run again under another name",
        ) from error


def trial_of(run: RunFolder, frozen: FrozenTrial, alive: bool) -> Trial:
    """The trial that a study in the folder `run` holds. alive: whether its owner is."""
    told = frozen.user_attrs
    values = frozen.intermediate_values
    recipe = told.get("recipe", {})
    placements = tuple(
        Placement(**{**each, "since": datetime.fromisoformat(each["since"])})
        for each in told.get("placements", ())
    )
    return Trial(
        number=frozen.number,
        recipe=recipe,
        sampled={name: recipe.get(name, value) for name, value in frozen.params.items()},
        state=state_of(frozen, alive),
        epochs=_epochs(run, frozen),
        score=values[max(values)] if values else None,
        error=told.get("error") or told.get("diverged"),
        session=told.get("session"),
        resumed_from=tuple(told.get("resumed_from", ())),
        worker=placements[-1].worker if placements else told.get("worker"),
        started=_utc(frozen.datetime_start),
        ended=_utc(frozen.datetime_complete),
        notes=(*told.get("notes", ()), *([told["abandoned"]] if "abandoned" in told else [])),
        same_as=told.get("same_as"),
        abandoned="abandoned" in told,
        recipe_sha256=told.get("recipe_sha256"),
        weights_sha256=told.get("weights_sha256"),
        parameters=told.get("parameters"),
        placements=placements,
        device=told.get("device"),
    )


def state_of(frozen: FrozenTrial, alive: bool) -> State:
    """Our word for the state of a study's trial. alive: whether the study's owner is."""
    if frozen.state.name == "RUNNING":
        return State.RUNNING if alive else State.INTERRUPTED
    if frozen.state.name == "PRUNED":
        return State.DIVERGED if "diverged" in frozen.user_attrs else State.PRUNED
    return State.COMPLETE if frozen.state.name == "COMPLETE" else State.FAILED


def _epochs(run: RunFolder, frozen: FrozenTrial) -> tuple[Epoch, ...]:
    """The epochs on record, in order. The journal says which; their other figures come from the
    trial's own file, which may be an epoch ahead of it."""
    path = run.trial(frozen.number).epochs
    if not frozen.intermediate_values or not path.is_file():
        return ()
    with whole(path):
        stored = [Epoch.from_json(json.loads(line)) for line in path.read_text().splitlines()]
    return tuple(epoch for epoch in stored if epoch.number in frozen.intermediate_values)


def _utc(time: datetime | None) -> datetime | None:
    """Optuna's times are the local clock's, without a zone."""
    return None if time is None else time.astimezone(UTC)
