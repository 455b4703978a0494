"""What a run went through: the starts of its search, the versions of its plan, where it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from search.plan.difference import differences
from search.records import schema
from search.records.typed import typed

Status = Literal["running", "empty", "finished", "interrupted"]
"""running: a process owns the run. empty: it never started to train. finished: its budget is spent, though
that may have cut trials short. interrupted: it was stopped or killed before."""


@dataclass(frozen=True)
class Session:
    """One start of a search."""

    number: int
    """0 for the first start."""
    started: datetime
    """UTC."""
    seconds: float
    """How long it lived, as last recorded."""
    ended: str
    """"budget", "interrupted", "error", or "" while it lives and after it was killed."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """What it ran on: versions, commit, machine, device, workers, hosts."""
    sizes: tuple[tuple[float, int], ...] = ()
    """(seconds since its start, trials at once from then on), for each time its cluster grew or shrank."""


@dataclass(frozen=True)
class PlanVersion:
    """One version of a run's plan."""

    number: int
    """0 for the plan the run began with."""
    since: datetime
    """When it took effect (UTC)."""
    trials: int
    """How many trials there were then; later ones were drawn under it."""
    table: Mapping[str, Any]
    """The plan, as in its file."""
    changes: tuple[str, ...]
    """What it changed in the version before, a line for each key: `budget.trials: 40 -> 60`."""
    session: int = 0
    """The number of the start that made it."""


@dataclass(frozen=True)
class WarmStartSummary:
    """The run whose trials seeded the sampler."""

    run: str
    """Its name."""
    taken: int
    """How many of its trials the sampler was given."""
    sentence: str
    """The same in words, with what was left out and why."""


def environments_of(attributes: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """What each start of a search or a confirmation ran on, by number, from its study's attributes. Raises
    ValueError unless each has the shape of `search.records.environment.environment`."""
    return {
        number: _environment(recorded) for number, recorded in schema.ENVIRONMENTS.read(attributes).items()
    }


def _environment(recorded: Any) -> Mapping[str, Any]:
    if not isinstance(recorded, Mapping):
        raise ValueError(f"an environment is {type(recorded).__name__}")
    for name, value in recorded.items():
        plain = isinstance(value, str | int | float | None)
        if name == "versions":
            plain = isinstance(value, Mapping) and all(isinstance(version, str) for version in value.values())
        elif name in ("workers", "hosts", "threads"):
            plain = isinstance(value, int)
        if not plain:
            raise ValueError(f"{name} of an environment is {type(value).__name__}")
    return recorded


def sessions_of(attributes: Mapping[str, Any]) -> tuple[Session, ...]:
    """The starts of a run, from its study's attributes."""
    environments, sizes = environments_of(attributes), schema.SIZES.read(attributes)
    return tuple(
        typed(
            Session(
                number=number,
                started=datetime.fromisoformat(start["started"]),
                seconds=start["seconds"],
                ended=start["ended"],
                environment=environments.get(number, {}),
                sizes=tuple((seconds, workers) for seconds, workers in sizes.get(number, ())),
            )
        )
        for number, start in schema.SESSIONS.read(attributes).items()
    )


def plan_versions(attributes: Mapping[str, Any]) -> tuple[PlanVersion, ...]:
    """The versions of a run's plan, from its study's attributes."""
    versions: list[PlanVersion] = []
    for number, stored in schema.PLANS.read(attributes).items():
        version = PlanVersion(
            number=number,
            since=datetime.fromisoformat(stored["since"]),
            trials=stored["trials"],
            table=stored["plan"],
            changes=(),
            session=stored["session"],
        )
        typed(version)
        if versions:
            version = replace(version, changes=tuple(differences(versions[-1].table, version.table)))
        versions.append(version)
    return tuple(versions)


def status_of(alive: bool, sessions: Sequence[Session], plans: Sequence[PlanVersion], settled: int) -> Status:
    """The status of a run. alive: whether a process owns it. settled: as `Sweep.settled`."""
    if alive:
        return "running"
    if not sessions:
        return "empty"
    # A plan that was extended just before the process died is not fulfilled by what came before.
    fulfilled = not plans or plans[-1].session < len(sessions) or settled == plans[-1].number
    return "finished" if sessions[-1].ended == "budget" and fulfilled else "interrupted"
