"""What a search left on disk, as frozen records. Needs neither ray nor torch.

sweep = Sweep.read(Path("runs/laptop"))
sweep.best().recipe
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from optuna.trial import FrozenTrial

from search.plan.difference import differences
from search.records.confirmation import Confirmation, read_confirmation
from search.records.folder import RunFolder
from search.records.journal import open_journal
from search.records.lock import owner_of
from search.records.opening import TestLook, TestSetOpening
from search.records.trial import Placement, RunDamaged, State, Trial, trial_of, whole
from trainable.contract import Metric

__all__ = [
    "Confirmation",
    "Origin",
    "Placement",
    "PlanVersion",
    "RunDamaged",
    "Session",
    "State",
    "Status",
    "Sweep",
    "TestLook",
    "TestSetOpening",
    "Trial",
]


@dataclass(frozen=True)
class Session:
    """One start of the search.

    number: 0 for the first. started: UTC. seconds: how long it lived. ended: "budget",
    "interrupted", "error", or "" while it lives and when it was killed. environment: what it ran on.
    sizes: (seconds lived, trials at once from then on), each time machines joined or left its cluster.
    """

    number: int
    started: datetime
    seconds: float
    ended: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[tuple[float, int], ...] = ()


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


STORAGE = "storage"
"""The study's attribute that holds `Sweep.storage`."""

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
    was there already; -1 where none was. confirmation: of its best trials; None before it began. storage: the
    address of the folder where its trials' checkpoints lie; None where that is the run's own.
    """

    folder: Path
    name: str
    plan: Mapping[str, Any]
    metric: Metric
    environment: Mapping[str, Any]
    trials: tuple[Trial, ...]
    openings: tuple[TestSetOpening, ...]
    sessions: tuple[Session, ...]
    alive: bool
    plans: tuple[PlanVersion, ...] = ()
    warm_start: Origin | None = None
    settled: int = -1
    confirmation: Confirmation | None = None
    storage: str | None = None

    @property
    def run(self) -> RunFolder:
        """Where it lies."""
        return RunFolder(self.folder, self.storage)

    @classmethod
    def read(cls, folder: Path) -> Sweep:
        """Read the run in `folder`. Raises NotARun when it holds none, and RunDamaged."""
        run = RunFolder.existing(folder)
        with whole(run.openings):
            openings = _openings(run)
        alive = owner_of(run.lock) is not None
        with whole(run.journal):
            attributes, frozen = _read_journal(run)
        confirmation = None
        if run.confirmation.begun:
            with whole(run.confirmation.journal):
                told, reruns = _read_journal(run.confirmation)
                again = [trial_of(run.confirmation, each, alive) for each in reruns]
                found = read_confirmation(told, again, _metric(told))
                confirmation = None if found is None else found[0]
        sessions = sessions_of(attributes)
        plans = plan_versions(attributes)
        with whole(run.plan):
            plan = plans[-1].table if plans else tomllib.loads(run.plan.read_text())
        origin = attributes.get("warm_start")
        return cls(
            folder=run.path,
            name=run.name,
            plan=plan,
            metric=_metric(attributes),
            environment=sessions[-1].environment if sessions else {},
            trials=tuple(trial_of(run, each, alive) for each in frozen),
            openings=openings,
            sessions=sessions,
            alive=alive,
            plans=plans,
            settled=attributes.get("settled", -1),
            confirmation=confirmation,
            storage=attributes.get(STORAGE),
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
        sign = self.metric.sign
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
            return unfinished, -len(trial.epochs) if unfinished else 0, -sign * score, trial.number

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


def _metric(attributes: Mapping[str, Any]) -> Metric:
    return Metric(**attributes.get("metric", {"name": "score", "direction": "maximize", "unit": ""}))


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


def _openings(run: RunFolder) -> tuple[TestSetOpening, ...]:
    if not run.openings.is_file():
        return ()
    return tuple(TestSetOpening.from_json(each) for each in json.loads(run.openings.read_text()))


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
            sizes=tuple((seconds, workers) for seconds, workers in attributes.get(f"sizes:{key[8:]}", ())),
        )
        for key, value in found
    )
