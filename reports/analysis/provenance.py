"""The versions of a search's plan and of its code, and the run it was warm-started from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from reports.formatting.wording import listing, plural
from search.records.sweep import Sweep

CODE = ("commit", "dirty", "trainable_sha256")
"""Keys of an environment that identify the code: benchsweep's commit, whether its working tree differs from
it, and the hash of the trainable's module."""

_SHOWN_DIGITS = 12
"""Characters shown of a hash."""


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


def code_changes(sweep: Sweep) -> tuple[str, ...]:
    """A sentence on each two consecutive starts of the search, or the search and its confirmation, that ran
    with different code or versions of packages; empty if all are known to be equal or nothing is recorded."""
    sentences = []
    for one, other in pairwise(sweep.sessions):
        if changes := [*_differences(one.environment, other.environment)]:
            both = [
                trial.number
                for trial in sweep.trials
                if (starts := [placement.session for placement in trial.placements])
                and min(starts) <= one.number
                and max(starts) >= other.number
            ]
            trained = f" {_trained_by_both(both)}" if both else ""
            sentences.append(
                f"The code changed between start {one.number} and start {other.number}: "
                f"{listing(changes)}.{trained}"
            )
    environments = () if sweep.confirmation is None else sweep.confirmation.environments
    before = sweep.sessions[-1].environment if sweep.sessions else {}
    for environment in environments:
        if changes := [*_differences(before, environment)]:
            sentences.append(f"The code changed before a start of the confirmation: {listing(changes)}.")
        before = environment
    return tuple(sentences)


def _trained_by_both(numbers: list[int]) -> str:
    if len(numbers) > 3:
        return f"{plural(len(numbers), 'trial')} were trained partly before and partly after it."
    names = listing([f"trial {number}" for number in numbers])
    verb = "was" if len(numbers) == 1 else "were"
    return f"{names[:1].upper()}{names[1:]} {verb} trained partly before and partly after it."


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """ "commit 3f9c2a1 -> 77ab01c": what is recorded in both environments and differs."""
    if not one or not other:
        return
    for name in CODE:
        if name in one and name in other and one[name] != other[name]:
            yield f"{name} {_short(one[name])} -> {_short(other[name])}"
    versions, later = ({**environment.get("versions", {})} for environment in (one, other))
    for name in sorted(versions.keys() & later.keys()):
        if versions[name] != later[name]:
            yield f"{name} {versions[name]} -> {later[name]}"


def _short(value: Any) -> str:
    return value[:_SHOWN_DIGITS] if isinstance(value, str) else str(value).lower()
