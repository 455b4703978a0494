"""What a search left on disk, as frozen records. Needs neither ray nor torch.

sweep = Sweep.read(Path("runs/laptop"))
sweep.best().recipe
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from optuna.trial import FrozenTrial

from search.difference import differences
from search.folder import RunFolder
from search.journal import JournalDamaged, open_journal
from search.lock import owner_of
from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.evaluation import Evaluation


class RunDamaged(ValueError):
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

    @property
    def seconds(self) -> float:
        """Training time, summed over the epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


@dataclass(frozen=True)
class Opening:
    """One look at the sealed test set: when, why, by which trial's model, and what was seen.

    evaluation is None for an opening that was announced and then cut off.
    parameters: how many numbers the model learned; None where it has no such count.
    weights_sha256: of the model's weights; None where there are none.
    """

    time: datetime
    reason: str
    trial: int
    evaluation: Evaluation | None
    parameters: int | None
    weights_sha256: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored in test_openings.json."""
        evaluation = None if self.evaluation is None else self.evaluation.to_json()
        return {**vars(self), "time": self.time.isoformat(), "evaluation": evaluation}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Opening:
        """The opening that `to_json` stored."""
        told = stored["evaluation"]
        evaluation = None if told is None else Evaluation.from_json(told)
        return cls(**{**stored, "time": datetime.fromisoformat(stored["time"]), "evaluation": evaluation})


@dataclass(frozen=True)
class Session:
    """One start of the search.

    number: 0 for the first. started: UTC. seconds: how long it lived. ended: "budget",
    "interrupted", "error", or "" while it lives and when it was killed. environment: what it ran on.
    """

    number: int
    started: datetime
    seconds: float
    ended: str
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanVersion:
    """One plan of a run. number: 0 for the one it began with. since: when it came to hold (UTC).
    trials: how many there were then; later ones were drawn under it. session: the start that made
    it. table: the plan, as in its file. changes: what it changed, a line for each key:
    `budget.trials: 40 -> 60`."""

    number: int
    since: datetime
    trials: int
    table: Mapping[str, Any]
    changes: tuple[str, ...]
    session: int = 0


@dataclass(frozen=True)
class Origin:
    """The run whose trials seeded the sampler. taken: how many of them; sentence: the same in words,
    with what was left out and why."""

    run: str
    taken: int
    sentence: str


Status = Literal["running", "empty", "finished", "interrupted"]


def status_of(alive: bool, sessions: Sequence[Session], plans: Sequence[PlanVersion], settled: int) -> Status:
    """See `Sweep.status`."""
    if alive:
        return "running"
    if not sessions:
        return "empty"
    # A plan that was extended just before the process died is not fulfilled by what came before.
    fulfilled = not plans or plans[-1].session < len(sessions) or settled == plans[-1].number
    return "finished" if sessions[-1].ended == "budget" and fulfilled else "interrupted"


@dataclass(frozen=True)
class Sweep:
    """A search and all that became of it.

    plan: the plan in force, as in its file. plans: every version of it, the first one first; empty
    before the first start. environment: the last start's versions, commit, device, hosts. alive:
    whether a process owns the run now. metric: what its trials are judged by. warm_start: where it
    began, if not from nothing. settled: the version of the plan that was found to be fulfilled by what
    was there already; -1 where none was.
    """

    folder: Path
    name: str
    plan: Mapping[str, Any]
    metric: Metric
    environment: Mapping[str, Any]
    trials: tuple[Trial, ...]
    openings: tuple[Opening, ...]
    sessions: tuple[Session, ...]
    alive: bool
    plans: tuple[PlanVersion, ...] = ()
    warm_start: Origin | None = None
    settled: int = -1

    @classmethod
    def read(cls, folder: Path) -> Sweep:
        """Read the run in `folder`. Raises NotARun when it holds none, and RunDamaged."""
        run = RunFolder.existing(folder)
        with whole(run.openings):
            openings = _openings(run)
        alive = owner_of(run.lock) is not None
        with whole(run.journal):
            attributes, frozen = _read_journal(run)
        sessions = sessions_of(attributes)
        plans = plan_versions(attributes)
        with whole(run.plan):
            plan = plans[-1].table if plans else tomllib.loads(run.plan.read_text())
        origin = attributes.get("warm_start")
        metric = attributes.get("metric", {"name": "score", "direction": "maximize", "unit": ""})
        return cls(
            folder=run.path,
            name=run.name,
            plan=plan,
            metric=Metric(**metric),
            environment=sessions[-1].environment if sessions else {},
            trials=tuple(_trial(run, each, alive) for each in frozen),
            openings=openings,
            sessions=sessions,
            alive=alive,
            plans=plans,
            settled=attributes.get("settled", -1),
            warm_start=None if origin is None else Origin(**origin),
        )

    def best(self) -> Trial | None:
        """The trial with the best score among the COMPLETE ones (the earliest, in a tie)."""
        ranked = self.ranked()
        return ranked[0] if ranked and ranked[0].state is State.COMPLETE else None

    def ranked(self) -> list[Trial]:
        """Trials that have a score: COMPLETE ones first, best first; then the stopped ones, those
        that trained longest first. DIVERGED and FAILED trials are left out, and so are those that
        only repeat another one's recipe."""
        sign = -1.0 if self.metric.direction == "maximize" else 1.0
        scored = [
            (trial, trial.score)
            for trial in self.trials
            if trial.score is not None
            and trial.state not in (State.DIVERGED, State.FAILED)
            and trial.same_as is None
        ]

        def order(pair: tuple[Trial, float]) -> tuple[bool, int, float, int]:
            trial, score = pair
            unfinished = trial.state is not State.COMPLETE
            return unfinished, -len(trial.epochs) if unfinished else 0, sign * score, trial.number

        return [trial for trial, _ in sorted(scored, key=order)]

    def count(self, *states: State) -> int:
        """How many trials are in one of these states; all of them when none is named."""
        return sum(not states or trial.state in states for trial in self.trials)

    @property
    def status(self) -> Status:
        """running: a process owns it. finished: its budget is spent, though that may have cut trials
        short. interrupted: it was stopped or killed before. empty: it never began."""
        return status_of(self.alive, self.sessions, self.plans, self.settled)

    @property
    def seconds(self) -> float:
        """Wall time of the search, summed over its starts."""
        return sum(session.seconds for session in self.sessions)


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Say which file it was that could not be understood."""
    try:
        yield
    except JournalDamaged:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDamaged(
            f"{path} is not what was written there ({type(error).__name__}: {error}); restore it from a "
            f"copy, or start the run again under another name"
        ) from error


def _read_journal(run: RunFolder) -> tuple[dict[str, Any], list[FrozenTrial]]:
    """The study's attributes and trials; nothing where there is no study yet."""
    if not run.journal.is_file():
        return {}, []
    storage = open_journal(run.journal)
    studies = storage.get_all_studies()
    if not studies:
        return {}, []
    study = studies[0]
    return dict(study.user_attrs), storage.get_all_trials(study._study_id, deepcopy=False)


def _trial(run: RunFolder, frozen: FrozenTrial, alive: bool) -> Trial:
    told = frozen.user_attrs
    values = frozen.intermediate_values
    recipe = told.get("recipe", {})
    return Trial(
        number=frozen.number,
        recipe=recipe,
        sampled={name: recipe.get(name, value) for name, value in frozen.params.items()},
        state=_state(frozen, alive),
        epochs=_epochs(run, frozen),
        score=values[max(values)] if values else None,
        error=told.get("error") or told.get("diverged"),
        session=told.get("session"),
        resumed_from=tuple(told.get("resumed_from", ())),
        worker=told.get("worker"),
        started=_utc(frozen.datetime_start),
        ended=_utc(frozen.datetime_complete),
        notes=(*told.get("notes", ()), *([told["abandoned"]] if "abandoned" in told else [])),
        same_as=told.get("same_as"),
        abandoned="abandoned" in told,
    )


def _state(frozen: FrozenTrial, alive: bool) -> State:
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


def _openings(run: RunFolder) -> tuple[Opening, ...]:
    if not run.openings.is_file():
        return ()
    return tuple(Opening.from_json(each) for each in json.loads(run.openings.read_text()))


def plan_versions(attributes: Mapping[str, Any]) -> tuple[PlanVersion, ...]:
    """The versions of a run's plan, from its study's attributes."""
    found = [value for key, value in sorted(attributes.items()) if key.startswith("plan:")]
    tables = [value["plan"] for value in found]
    return tuple(
        PlanVersion(
            number=number,
            since=datetime.fromisoformat(value["since"]),
            trials=value["trials"],
            table=value["plan"],
            changes=tuple(differences(tables[number - 1], value["plan"])) if number else (),
            session=value["session"],
        )
        for number, value in enumerate(found)
    )


def sessions_of(attributes: Mapping[str, Any]) -> tuple[Session, ...]:
    """The starts of a run, from its study's attributes."""
    found = sorted((key, value) for key, value in attributes.items() if key.startswith("session:"))
    return tuple(
        Session(
            number=int(key[8:]),
            started=datetime.fromisoformat(value["started"]),
            seconds=value["seconds"],
            ended=value["ended"],
            environment=attributes.get(f"environment:{key[8:]}", {}),
        )
        for key, value in found
    )
