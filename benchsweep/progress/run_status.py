"""How far a run is, read from its folder by a process that has no part in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from benchsweep.progress.replay import planned_epochs, replay
from benchsweep.progress.search import Progress
from benchsweep.terminal import typed
from search.records.folder import RunFolder
from search.records.lease import Owner
from search.records.lock import owner_of
from search.records.sweep import PlanVersion, Session, State, Sweep, Trial


@dataclass(frozen=True)
class ActiveTrial:
    """A trial that is not over. planned: its epochs. waiting: an earlier start left it, and nobody
    has taken it up again. silent: seconds since its last epoch; None before the first."""

    trial: Trial
    planned: int
    waiting: bool
    silent: float | None


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment.

    owner: the process that runs it; None when nobody does. stop_asked: whether its owner was asked
    to stop and has not yet. session: the start that goes on; None when none does, or when it has
    no session yet. progress: of its search, as its owner's own screen has it. works: the trials
    that are not over, by number. last_seen: when it was last known to live (UTC).
    """

    sweep: Sweep
    owner: Owner | None
    stop_asked: bool
    session: Session | None
    progress: Progress
    works: tuple[ActiveTrial, ...]
    last_seen: datetime | None

    @classmethod
    def read(cls, run: RunFolder, now: datetime) -> Self:
        """The run as it is `now` (UTC). Raises what `Sweep.read` does."""
        for _ in range(2):  # its owner may come or go between the two
            sweep, owner = Sweep.read(run.path), owner_of(run.lock)
            if sweep.alive == (owner is not None):
                break
        session = _going_on(sweep, owner)
        heard = {trial.number: _last_epoch(run, trial) for trial in sweep.trials}
        seen = [trial.ended or heard[trial.number] or trial.started for trial in sweep.trials]
        seen += [session.started + timedelta(seconds=session.seconds) for session in sweep.sessions]
        return cls(
            sweep=sweep,
            owner=owner,
            stop_asked=sweep.alive and run.stop_request.exists(),
            session=session,
            progress=replay(sweep, session, heard, now),
            works=tuple(_works(sweep, session, heard, now)),
            last_seen=max((time for time in seen if time is not None), default=None),
        )

    @property
    def phase(self) -> Literal["starting", "searching", "closing"] | None:
        """What its owner does: wait for Ray, search, or (closing) open the test set and let go; None
        when nobody runs it."""
        if not self.sweep.alive:
            return None
        if self.session is None:
            return "starting"
        return "closing" if self.session.ended else "searching"

    @property
    def remaining(self) -> float | None:
        """Seconds until the first limit of its budget is reached; None where that cannot be told."""
        return self.progress.remaining if self.phase == "searching" else None

    @property
    def figures(self) -> tuple[Any, ...]:
        """What changes when something happens, and not merely with the clock."""
        sweep = self.sweep
        works = tuple((work.trial.number, work.waiting, len(work.trial.epochs)) for work in self.works)
        counts = tuple(sweep.count(state) for state in State)
        return sweep.status, self.phase, len(sweep.sessions), self.stop_asked, counts, works

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `benchsweep status --json` prints them; its help tells what each is."""
        sweep, progress, best = self.sweep, self.progress, self.sweep.best()
        limits, metric = progress.limits, sweep.metric
        return {
            "name": sweep.name,
            "folder": str(sweep.folder),
            "state": sweep.status,
            "phase": self.phase,
            "owner": None if self.owner is None else vars(self.owner),
            "stop_asked": self.stop_asked,
            "last_seen": self.last_seen,
            "metric": {"name": metric.name, "direction": metric.direction, "unit": metric.unit},
            "budget": {
                "trials": {"spent": len(sweep.trials), "limit": limits.trials},
                "wall_time": {"spent": progress.spent, "limit": limits.wall_time},
                "epochs": {"spent": progress.epochs_trained, "limit": limits.epochs},
            },
            "trials": {
                "total": len(sweep.trials),
                **{each.lower(): sweep.count(each) for each in State},
                "repeated": repeated(sweep),
            },
            "works": [_work_json(work) for work in self.works],
            "best": best and {"trial": best.number, "score": best.score, "sampled": dict(best.sampled)},
            "remaining": self.remaining,
            "starts": len(sweep.sessions),
            "plans": [_version_json(version) for version in sweep.plans],
            "warm_start": None if sweep.warm_start is None else vars(sweep.warm_start),
        }


def repeated(sweep: Sweep) -> int:
    """How many trials were given the end of an earlier one with the same recipe."""
    return sum(trial.same_as is not None for trial in sweep.trials)


def _version_json(version: PlanVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "since": version.since,
        "trials": version.trials,
        "changes": list(version.changes),
    }


def _work_json(work: ActiveTrial) -> dict[str, Any]:
    trial = work.trial
    return {
        "trial": trial.number,
        "state": str(trial.state),
        "waiting": work.waiting,
        "epochs": len(trial.epochs),
        "planned": work.planned,
        "score": trial.score,
        "seconds_since_epoch": work.silent,
        "worker": trial.worker,
        "sampled": dict(trial.sampled),
    }


def _last_epoch(run: RunFolder, trial: Trial) -> datetime | None:
    """When the last epoch of a trial that is not over was stored: no record has it, its file does."""
    if not trial.epochs or trial.state not in (State.RUNNING, State.INTERRUPTED):
        return None
    try:
        written = run.trial(trial.number).epochs.stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(written, UTC)


def _going_on(sweep: Sweep, owner: Owner | None) -> Session | None:
    """The session of the live owner. Until its Ray is up it has none, and the last is an earlier one's."""
    if not sweep.alive or not sweep.sessions:
        return None
    last = sweep.sessions[-1]
    try:
        since = datetime.fromisoformat(owner.since) if owner else last.started
    except ValueError:  # it is writing its name just now
        return None
    return last if last.started >= since - timedelta(seconds=1) else None


def _works(
    sweep: Sweep, session: Session | None, heard: Mapping[int, datetime | None], now: datetime
) -> Iterator[ActiveTrial]:
    for trial in sweep.trials:
        if trial.state in (State.RUNNING, State.INTERRUPTED):
            last = heard[trial.number]
            yield ActiveTrial(
                trial=trial,
                planned=planned_epochs(trial),
                waiting=sweep.alive and (session is None or trial.session != session.number),
                silent=None if last is None else max(0.0, (now - last).total_seconds()),
            )


def next_command(standing: RunStatus) -> str | None:
    """What to type now, from here; None while the run is searched."""
    run = RunFolder(standing.sweep.folder).reference
    match standing.sweep.status:
        case "running":
            return None
        case "finished":
            return typed("report", run, "--open")
        case _:
            return typed("resume", run)
