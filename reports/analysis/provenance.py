"""Where a search's plan came from: its versions, and the run that its sampler began with."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from search.records.sweep import Sweep


class VersionSummary(NamedTuple):
    """One version of a plan, as people read it.

    number: 1 for the one that the run began with. since: when it came to hold (UTC). drawn: which
    trials were drawn under it, in words. changes: what it changed, a line for each key.
    """

    number: int
    since: datetime
    drawn: str
    changes: tuple[str, ...]


def version_summaries(sweep: Sweep) -> tuple[VersionSummary, ...]:
    """Every version, the first one first; none where the plan never changed."""
    if len(sweep.plans) < 2:
        return ()
    ends = [*(plan.trials for plan in sweep.plans[1:]), None]
    return tuple(
        VersionSummary(plan.number + 1, plan.since, _drawn(plan.trials, end), plan.changes)
        for plan, end in zip(sweep.plans, ends, strict=True)
    )


def _drawn(first: int, end: int | None) -> str:
    """The trials from `first` to before `end`; None where more may come."""
    if end is None:
        return f"from trial {first} on"
    if end <= first:
        return "no trial"
    return f"trial {first}" if end == first + 1 else f"trials {first} to {end - 1}"


def version_of_trial(sweep: Sweep, number: int) -> int | None:
    """The version (1 for the first) under which a trial was drawn; None where the plan never changed."""
    if len(sweep.plans) < 2:
        return None
    return max(1, sum(plan.trials <= number for plan in sweep.plans))


def warm_start_sentence(sweep: Sweep) -> str:
    """What the sampler knew from another run when this one began; "" where it knew nothing."""
    if sweep.warm_start is None:
        return ""
    return f"{sweep.warm_start.sentence}. None of them is ranked here."
