"""The runs of a comparison: a unique name for each, and which have comparable scores."""

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
"""Maximum characters of a run's name in a figure or a sentence; tables show all of it."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One run of a comparison."""

    position: int
    """In the order given, from 0."""
    label: str
    """The run's name, preceded by as many parent folders as make it unique."""
    short: str
    """The label in at most `LONGEST` + 5 characters, unique too."""
    sweep: Sweep
    """Its record."""


class ComparableRuns(NamedTuple):
    """Runs whose scores are comparable: the same metric on the same data."""

    metric: Metric
    """The metric of all the runs."""
    runs: tuple[ComparedRun, ...]
    """By position."""


def compared_runs(sweeps: Sequence[Sweep]) -> tuple[ComparedRun, ...]:
    """The runs, each with a unique name. Raises ValueError if a folder is given twice."""
    parts = [sweep.folder.absolute().parts for sweep in sweeps]
    if len(set(parts)) < len(parts):
        twice = next(sweep.folder for sweep, own in zip(sweeps, parts, strict=True) if parts.count(own) > 1)
        raise ValueError(f"each run must be given once, but {twice} is given more than once")
    names = [sweep.name for sweep in sweeps]
    depths = dict.fromkeys(range(len(sweeps)), 1)
    labels = list(names)
    while clashes := [index for index, label in enumerate(labels) if labels.count(label) > 1]:
        for index in clashes:
            depths[index] += 1
            above = parts[index][:-1][-(depths[index] - 1) :]
            labels[index] = "/".join([*(part.strip("/") for part in above), names[index]])
            if depths[index] > len(parts[index]) + 1:  # folders do not make these names unique
                labels[index] = f"{names[index]} ({index + 1})"
    return tuple(
        ComparedRun(position, label, short, sweep)
        for position, (label, short, sweep) in enumerate(zip(labels, _short(labels), sweeps, strict=True))
    )


def _short(labels: Sequence[str]) -> list[str]:
    """The labels; long ones are cut in the middle, because names often differ only at the end."""
    cut = []
    for label in labels:
        line = shorten(label)
        half = (LONGEST - 1) // 2
        cut.append(line if len(line) <= LONGEST else f"{line[:half]}…{line[-half:]}")
    counts = Counter(cut)
    return [short if counts[short] == 1 else f"{short} ({number})" for number, short in enumerate(cut, 1)]


def data_identity(sweep: Sweep) -> tuple[str, str]:
    """What identifies the data of a run.

    ("sha256", the checksum of the training and validation split) if every start recorded the same one;
    ("mixed", the run's folder) if starts recorded different ones: such a run is comparable with no other;
    ("plan", the trainable and the [data] table as JSON) if no start recorded one.
    """
    environments = [session.environment for session in sweep.sessions] + [sweep.environment]
    if sweep.confirmation is not None:
        environments += sweep.confirmation.environments
    checksums = {environment.get("data_sha256") for environment in environments if environment}
    if len(checksums) > 1:
        return "mixed", f"{sweep.folder}"
    if checksums and isinstance(checksum := next(iter(checksums)), str):
        return "sha256", checksum
    return "plan", json.dumps([sweep.plan.trainable, sweep.plan.data], sort_keys=True, default=str)


def same_data(one: Sweep, other: Sweep) -> bool:
    """Whether both runs used the same examples, as far as their records show.

    Equal checksums of the training and validation split prove it, and imply the same test split. If neither
    run recorded a checksum, the same trainable with the same [data] table is assumed to mean the same data.
    """
    return data_identity(one) == data_identity(other)


def comparable_runs(runs: Sequence[ComparedRun]) -> tuple[ComparableRuns, ...]:
    """The runs grouped by metric and data, in the order of each group's first run."""
    groups: dict[tuple[Metric, tuple[str, str]], list[ComparedRun]] = {}
    for run in runs:
        groups.setdefault((run.sweep.metric, data_identity(run.sweep)), []).append(run)
    return tuple(ComparableRuns(metric, tuple(members)) for (metric, _), members in groups.items())
