"""The runs of a comparison: told apart by name, and which were judged by the same on the same data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.formatting.wording import shorten
from search.records.sweep import Sweep
from trainable.contract import Metric

LONGEST = 28
"""Characters of a run's name in a drawing or a sentence; tables hold the whole."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One run of a comparison.

    place: 0 for the first that was named. label: the folder's name, with as many of the folders above it
    as tell it from the others. short: the same in at most LONGEST + 5 characters, another one for each run.
    """

    place: int
    label: str
    short: str
    sweep: Sweep


class ComparableRuns(NamedTuple):
    """Runs whose scores may be held side by side: the same metric, on the same data. In their order."""

    metric: Metric
    runs: tuple[ComparedRun, ...]


def compared_runs(sweeps: Sequence[Sweep]) -> tuple[ComparedRun, ...]:
    """The runs, each under a name of its own. Raises ValueError where a folder is named twice."""
    parts = [sweep.folder.absolute().parts for sweep in sweeps]
    if len(set(parts)) < len(parts):
        twice = next(sweep.folder for sweep, each in zip(sweeps, parts, strict=True) if parts.count(each) > 1)
        raise ValueError(f"each run must be named once, but {twice} is named more often")
    names = [sweep.name for sweep in sweeps]
    depths = dict.fromkeys(range(len(sweeps)), 1)
    labels = list(names)
    while clashes := [place for place, label in enumerate(labels) if labels.count(label) > 1]:
        for place in clashes:
            depths[place] += 1
            above = parts[place][:-1][-(depths[place] - 1) :]
            labels[place] = "/".join([*(part.strip("/") for part in above), names[place]])
            if depths[place] > len(parts[place]) + 1:  # two records of one name, from no folder at all
                labels[place] = f"{names[place]} ({place + 1})"
    return tuple(
        ComparedRun(place, label, short, sweep)
        for place, (label, short, sweep) in enumerate(zip(labels, _short(labels), sweeps, strict=True))
    )


def _short(labels: Sequence[str]) -> list[str]:
    """The labels with their middle cut out where they are long: names often differ at their end alone."""
    cut = []
    for label in labels:
        line = shorten(label)
        half = (LONGEST - 1) // 2
        cut.append(line if len(line) <= LONGEST else f"{line[:half]}…{line[-half:]}")
    held = Counter(cut)
    return [short if held[short] == 1 else f"{short} ({place})" for place, short in enumerate(cut, 1)]


def data_identity(sweep: Sweep) -> tuple[str, str]:
    """By what the data of a run is known: ("sha256", of its training and validation split) where every start
    recorded the same sum; else ("plan", its trainable and [data] table as JSON)."""
    held = [session.environment for session in sweep.sessions] + [sweep.environment]
    if sweep.confirmation is not None:
        held += sweep.confirmation.environments
    sums = {told.get("data_sha256") for told in held if told}
    if len(sums) == 1 and isinstance(known := next(iter(sums)), str):
        return "sha256", known
    asked = [sweep.plan.trainable, sweep.plan.data]
    # A run whose starts saw different data is like no other, nor like one whose plan reads the same.
    return (
        ("mixed", f"{sweep.folder}")
        if len(sums) > 1
        else ("plan", json.dumps(asked, sort_keys=True, default=str))
    )


def same_data(one: Sweep, other: Sweep) -> bool:
    """Whether both were trained and judged on the same examples, as far as their records tell.

    Equal sums of the training and validation splits show it, and then the test split of that data is the
    same too. Where neither recorded a sum, the same trainable with the same [data] table is taken for it.
    """
    return data_identity(one) == data_identity(other)


def comparable_runs(runs: Sequence[ComparedRun]) -> tuple[ComparableRuns, ...]:
    """The runs by metric and data, in the order of their first ones."""
    found: dict[tuple[Metric, tuple[str, str]], list[ComparedRun]] = {}
    for run in runs:
        found.setdefault((run.sweep.metric, data_identity(run.sweep)), []).append(run)
    return tuple(ComparableRuns(metric, tuple(held)) for (metric, _), held in found.items())
