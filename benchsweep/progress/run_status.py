"""The status of a run, read from its folder by a process that does not search it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from benchsweep import plain
from benchsweep.progress.replay import planned_epochs, replay
from benchsweep.progress.search import Progress
from benchsweep.terminal import typed_command
from search.records.folder import RunFolder
from search.records.lease import Owner
from search.records.lock import owner_of
from search.records.sweep import PlanVersion, Session, State, Sweep, Trial


@dataclass(frozen=True)
class ActiveTrial:
    """A trial that has not ended."""

    trial: Trial
    """Its record."""
    epochs_planned: int
    """Total number of epochs of its recipe."""
    waiting: bool
    """Whether an earlier session left it and the current one has not started it again yet."""
    seconds_since_epoch: float | None
    """Seconds since its last epoch was stored; None before the first."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        trial = self.trial
        return {
            "trial": trial.number,
            "state": str(trial.state),
            "waiting": self.waiting,
            "epochs": len(trial.epochs),
            "planned": self.epochs_planned,
            "score": trial.score,
            "seconds_since_epoch": self.seconds_since_epoch,
            "worker": trial.worker,
            "sampled": dict(trial.sampled),
        }


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment."""

    sweep: Sweep
    """Its record."""
    owner: Owner | None
    """The process that runs it; None if there is none."""
    stop_asked: bool
    """Whether its owner was asked to stop and still runs it."""
    session: Session | None
    """The owner's session; None without an owner, or before its session has begun."""
    progress: Progress
    """Of its search, as the owner itself shows it."""
    active_trials: tuple[ActiveTrial, ...]
    """The trials that have not ended, by number."""
    last_seen: datetime | None
    """When its last sign of activity was recorded (UTC); None if there is none."""

    @classmethod
    def read(cls, run: RunFolder, now: datetime) -> Self:
        """The status at the time `now` (UTC). Raises what `Sweep.read` raises."""
        for _ in range(2):  # the owner may start or end between the two readings
            sweep, owner = Sweep.read(run.path, partly=True), owner_of(run.lock)
            if sweep.alive == (owner is not None):
                break
        session = _current_session(sweep, owner)
        last_epoch_times = {trial.number: _last_epoch_time(run, trial) for trial in sweep.trials}
        times = [trial.ended or last_epoch_times[trial.number] or trial.started for trial in sweep.trials]
        times += [session.started + timedelta(seconds=session.seconds) for session in sweep.sessions]
        return cls(
            sweep=sweep,
            owner=owner,
            stop_asked=sweep.alive and run.stop_request.exists(),
            session=session,
            progress=replay(sweep, session, last_epoch_times, now),
            active_trials=tuple(_active_trials(sweep, session, last_epoch_times, now)),
            last_seen=max((time for time in times if time is not None), default=None),
        )

    @property
    def phase(self) -> Literal["starting", "searching", "closing"] | None:
        """What its owner does: start Ray, search, or (closing) open the test set and exit; None without an
        owner."""
        if not self.sweep.alive:
            return None
        if self.session is None:
            return "starting"
        return "closing" if self.session.ended else "searching"

    @property
    def remaining(self) -> float | None:
        """Seconds until the first limit of its budget is reached; None if it is not searching, or unknown."""
        return self.progress.remaining if self.phase == "searching" else None

    @property
    def figures(self) -> tuple[Any, ...]:
        """Everything that changes only when something happens, not with time."""
        sweep = self.sweep
        active = tuple(
            (active.trial.number, active.waiting, len(active.trial.epochs)) for active in self.active_trials
        )
        counts = tuple(sweep.count(state) for state in State)
        return sweep.status, self.phase, len(sweep.sessions), self.stop_asked, counts, active

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the help of `benchsweep status` describes them."""
        sweep, progress = self.sweep, self.progress
        limits = progress.limits
        return {
            "name": sweep.name,
            "folder": str(sweep.folder),
            "state": sweep.status,
            "phase": self.phase,
            "owner": None if self.owner is None else vars(self.owner),
            "stop_asked": self.stop_asked,
            "last_seen": self.last_seen,
            "metric": plain.metric_of(sweep),
            "budget": {
                "trials": {"spent": len(sweep.trials), "limit": limits.trials},
                "wall_time": {"spent": progress.spent, "limit": limits.wall_time},
                "epochs": {"spent": progress.epochs_trained, "limit": limits.epochs},
            },
            "trials": {
                "total": len(sweep.trials),
                **plain.state_counts(sweep),
                "repeated": repeated(sweep),
            },
            "active_trials": [active.to_json() for active in self.active_trials],
            "best": plain.best_of(sweep),
            "top": plain.top_of(sweep),
            "remaining": self.remaining,
            "starts": len(sweep.sessions),
            "plans": [_version_to_json(version) for version in sweep.plans],
            "warm_start": None if sweep.warm_start is None else vars(sweep.warm_start),
        }


def repeated(sweep: Sweep) -> int:
    """How many trials got the result of an earlier trial with the same recipe."""
    return sum(trial.same_as is not None for trial in sweep.trials)


def _version_to_json(version: PlanVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "since": version.since,
        "trials": version.trials,
        "changes": list(version.changes),
    }


def _last_epoch_time(run: RunFolder, trial: Trial) -> datetime | None:
    """When the last epoch of a trial that has not ended was stored, by its file's modification time."""
    if not trial.epochs or trial.state.is_finished():
        return None
    try:
        modified = run.trial(trial.number).epochs.stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(modified, UTC)


def _current_session(sweep: Sweep, owner: Owner | None) -> Session | None:
    """The owner's session. Until its Ray is up there is none, and the last session is an earlier one's."""
    if not sweep.alive or not sweep.sessions:
        return None
    last = sweep.sessions[-1]
    try:
        since = datetime.fromisoformat(owner.since) if owner else last.started
    except ValueError:  # the owner is writing its name at this moment
        return None
    return last if last.started >= since - timedelta(seconds=1) else None


def _active_trials(
    sweep: Sweep, session: Session | None, last_epoch_times: Mapping[int, datetime | None], now: datetime
) -> Iterator[ActiveTrial]:
    for trial in sweep.trials:
        if trial.state in (State.RUNNING, State.INTERRUPTED):
            last = last_epoch_times[trial.number]
            yield ActiveTrial(
                trial=trial,
                epochs_planned=planned_epochs(trial),
                waiting=sweep.alive and (session is None or trial.session != session.number),
                seconds_since_epoch=None if last is None else max(0.0, (now - last).total_seconds()),
            )


def next_command(status: RunStatus) -> str | None:
    """The command to type next, from the current folder; None while the run is searched."""
    run = RunFolder(status.sweep.folder).reference
    match status.sweep.status:
        case "running":
            return None
        case "finished":
            return typed_command("report", run, "--open")
        case _:
            return typed_command("resume", run)
