"""What a search left on disk, as frozen records. Needs neither ray nor torch.

sweep = Sweep.read(Path("runs/laptop"))
sweep.best().recipe
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from optuna.storages import JournalStorage

from search.records import schema
from search.records.confirmation import Confirmation, read_confirmation
from search.records.folder import RunFolder
from search.records.history import (
    PlanVersion,
    Session,
    Status,
    WarmStartSummary,
    plan_versions,
    sessions_of,
    status_of,
)
from search.records.lock import owner_of
from search.records.opening import TestLook, TestSetOpening
from search.records.recorded_plan import RecordedPlan
from search.records.stored_study import StoredStudy
from search.records.trial import (
    Placement,
    RunDamaged,
    State,
    Trial,
    check_consistent,
    epochs_at,
    reading,
    trained_until,
    trial_of,
)
from search.records.typed import typed
from trainable.contract import Metric
from trainable.errors import BenchsweepError
from trainable.storage.record_file import parse_json, read_record

__all__ = [
    "Confirmation",
    "Placement",
    "PlanVersion",
    "RecordedPlan",
    "RunDamaged",
    "Session",
    "State",
    "Status",
    "Sweep",
    "TestLook",
    "TestSetOpening",
    "Trial",
    "WarmStartSummary",
]


@dataclass(frozen=True)
class Sweep:
    """A search and all that became of it."""

    folder: Path
    """The run's folder, absolute."""
    name: str
    """The run's."""
    plan: RecordedPlan
    """The plan in force."""
    metric: Metric
    """What its trials are judged by."""
    environment: Mapping[str, Any]
    """What the last start ran on: versions, commit, machine, device, hosts; empty before the first start."""
    trials: tuple[Trial, ...]
    """By number."""
    openings: tuple[TestSetOpening, ...]
    """Each time that models were evaluated on the test set, in order."""
    sessions: tuple[Session, ...]
    """Its starts, in order."""
    alive: bool
    """Whether a process owned the run when it was read."""
    plans: tuple[PlanVersion, ...] = ()
    """Every version of the plan, the first one first; empty before the first start."""
    warm_start: WarmStartSummary | None = None
    """The run that it learned from at its beginning; None if it began without any."""
    settled: int = -1
    """The version of the plan whose budget was spent without a further training; -1 if there is none."""
    confirmation: Confirmation | None = None
    """Of its best trials; None before it began."""
    storage: str | None = None
    """The address of the folder that holds its trials' checkpoints; None if they lie in the run's own."""
    code: Path | None = None
    """The folder from which its trainable's module was last imported; None if that is not on record."""
    damage: str | None = None
    """Why the confirmation cannot be read, as a sentence; None if it can, or there is none."""

    @property
    def run(self) -> RunFolder:
        """Where it lies."""
        return RunFolder(self.folder, self.storage)

    @classmethod
    def read(cls, folder: Path, journal: JournalStorage | None = None, *, partly: bool = False) -> Self:
        """Read the run in `folder`.

        journal: its study's, if it is open already: what was replayed of it is not replayed again. partly:
        whether to read a run whose confirmation is damaged without it, and say so in `damage`; what depends
        on the winner must not. Raises NotARun when the folder holds none, and RunDamaged, JournalDamaged or
        NotARecord for a file that is not what a run holds."""
        run = RunFolder.existing(folder)
        with reading(run.openings):
            openings = read_openings(run)
        alive = owner_of(run.lock) is not None
        with reading(run.journal):
            study = StoredStudy.read(journal or run.journal)
        confirmation, damage = None, None
        try:
            confirmation = _confirmation(run, alive)
        except (BenchsweepError, OSError) as error:
            if not partly:
                raise
            damage = str(error)
        with reading(run.journal):
            sessions, plans = sessions_of(study.attributes), plan_versions(study.attributes)
            trials = tuple(trial_of(run, trial, alive) for trial in study.trials)
            metric = study.metric
            warm_start = study.attributes.get(schema.WARM_START)
            code = study.attributes.get(schema.CODE)
            summary = None if warm_start is None else typed(WarmStartSummary(**warm_start))
        with reading(run.journal if plans else run.plan):
            table = plans[-1].table if plans else tomllib.loads(read_record(run.plan))
            plan = RecordedPlan.of(table)
        if plan.constraints.bounds:
            trials = tuple(_bounded(trial, plan, metric) for trial in trials)
        sweep = cls(
            folder=run.path,
            name=run.name,
            plan=plan,
            metric=metric,
            environment=sessions[-1].environment if sessions else {},
            trials=trials,
            openings=openings,
            sessions=sessions,
            alive=alive,
            plans=plans,
            settled=study.attributes.get(schema.SETTLED, -1),
            confirmation=confirmation,
            storage=study.attributes.get(schema.STORAGE),
            warm_start=summary,
            damage=damage,
            code=Path(code) if isinstance(code, str) else None,
        )
        with reading(run.journal):
            check_consistent(sweep.trials, len(sessions))
            return replace(sweep, sessions=as_long_as_seen(sessions, trials))

    def best(self) -> Trial | None:
        """The trial that the confirmation chose; without a winner yet, the one with the top score in the
        search. None if no trial is COMPLETE, or if the plan's default recipe won."""
        winner = None if self.confirmation is None else self.confirmation.winner
        if winner is None:
            return self.top()
        return next((trial for trial in self.trials if trial.number == winner.trial), None)

    def top(self) -> Trial | None:
        """The COMPLETE trial with the top score in the search, the earliest in a tie; None if there is none.
        Of trials that keep the plan's constraints, if any does; else the one that breaks them least.
        As the maximum of many scores, it is partly luck."""
        ranked = self.ranked()
        return ranked[0] if ranked and ranked[0].state is State.COMPLETE else None

    def ranked(self) -> list[Trial]:
        """The trials that have a score: COMPLETE ones by score, then those that were stopped, by how long
        they trained; of both, those first that keep the plan's constraints. DIVERGED and FAILED trials are
        left out, and so are those that repeat another one's recipe."""
        sign = self.metric.sign
        scored = [
            (trial, trial.score)
            for trial in self.trials
            if trial.score is not None
            and trial.state not in (State.DIVERGED, State.FAILED)
            and trial.same_as is None
        ]

        def order(pair: tuple[Trial, float]) -> tuple[bool, float, int, float, int]:
            trial, score = pair
            unfinished = trial.state is not State.COMPLETE
            length = -len(trial.epochs) if unfinished else 0
            return unfinished, trial.excess, length, -sign * score, trial.number

        return [trial for trial, _ in sorted(scored, key=order)]

    def count(self, *states: State) -> int:
        """How many trials are in one of these states; without states, how many there are."""
        return sum(not states or trial.state in states for trial in self.trials)

    @property
    def status(self) -> Status:
        """What became of it, as `Status` lists it."""
        return status_of(self.alive, self.sessions, self.plans, self.settled)

    @property
    def seconds(self) -> float:
        """Wall time of the search, summed over its starts."""
        return sum(session.seconds for session in self.sessions)


def _bounded(trial: Trial, plan: RecordedPlan, metric: Metric) -> Trial:
    """The trial with what it breaks of the plan's bounds."""
    if not trial.epochs:
        return trial
    values = plan.constraints.values(trial.epochs, metric)
    notes = (*trial.notes, *plan.constraints.broken(values))
    return replace(trial, excess=plan.constraints.excess(values), notes=notes)


def as_long_as_seen(sessions: Sequence[Session], trials: Sequence[Trial]) -> tuple[Session, ...]:
    """The starts, each with the time until its last sign of life: one that was killed recorded its length
    some seconds before its end, and its trials may show more."""
    begins = [session.started for session in sessions]
    index_of = {session.number: index for index, session in enumerate(sessions)}
    seconds = [session.seconds for session in sessions]
    for trial in trials if sessions else ():
        signs: list[tuple[int, datetime | None]] = [(0, trial.started)]
        last = 0
        for index, placement in enumerate(trial.placements):
            last = index_of.get(placement.session, 0)
            signs.append((last, trained_until(placement, epochs_at(trial, trial.placements, index))))
        signs.append((last, trial.ended))
        for start, time in signs:
            if time is None:
                continue
            # The start that was running then, or the last one before it, unless the clock was set back.
            while start + 1 < len(begins) and begins[start] <= begins[start + 1] <= time:
                start += 1
            seconds[start] = max(seconds[start], (time - begins[start]).total_seconds())
    return tuple(
        session if session.seconds == lived else replace(session, seconds=lived)
        for session, lived in zip(sessions, seconds, strict=True)
    )


def _confirmation(run: RunFolder, alive: bool) -> Confirmation | None:
    """The confirmation in its own folder; None before it began. Raises as `Sweep.read`."""
    if not run.confirmation.begun:
        return None
    with reading(run.confirmation.journal):
        reruns = StoredStudy.read(run.confirmation.journal)
        trials = [trial_of(run.confirmation, trial, alive) for trial in reruns.trials]
        race = read_confirmation(reruns.attributes, trials, reruns.metric)
        if race is None:
            return None
        check_consistent(trials, len(race[0].environments))
        return typed(race[0])


def read_openings(run: RunFolder) -> tuple[TestSetOpening, ...]:
    """The openings of the test set on record."""
    try:
        stored = parse_json(read_record(run.openings))
    except FileNotFoundError:
        return ()
    return tuple(TestSetOpening.from_json(opening) for opening in stored)
