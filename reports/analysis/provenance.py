"""The versions of a search's plan, and the run it was warm-started from."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from search.records.sweep import Sweep


class VersionSummary(NamedTuple):
    """One version of a plan."""

    number: int
    """1 for the first."""
    since: datetime
    """Since when it is in force (UTC)."""
    drawn: str
    """The trials that were suggested under it, in words: "trials 0 to 19"."""
    changes: tuple[str, ...]
    """One line per changed key; empty for the first version."""


def version_summaries(sweep: Sweep) -> tuple[VersionSummary, ...]:
    """Every version, the first one first; none if the plan never changed."""
    if len(sweep.plans) < 2:
        return ()
    ends = [*(plan.trials for plan in sweep.plans[1:]), None]
    return tuple(
        VersionSummary(plan.number + 1, plan.since, _drawn(plan.trials, end), plan.changes)
        for plan, end in zip(sweep.plans, ends, strict=True)
    )


def _drawn(first: int, end: int | None) -> str:
    """The trials from `first` up to but not including `end`; end is None if there may be more."""
    if end is None:
        return f"from trial {first} on"
    if end <= first:
        return "no trial"
    return f"trial {first}" if end == first + 1 else f"trials {first} to {end - 1}"


def version_of_trial(sweep: Sweep, number: int) -> int | None:
    """The version (1 for the first) under which a trial was suggested; None if the plan never changed."""
    if len(sweep.plans) < 2:
        return None
    return max(1, sum(plan.trials <= number for plan in sweep.plans))


def warm_start_sentence(sweep: Sweep) -> str:
    """Which run the sampler was warm-started from; "" if from none."""
    if sweep.warm_start is None:
        return ""
    return f"{sweep.warm_start.sentence}. None of them is ranked here."
