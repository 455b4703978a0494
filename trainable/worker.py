"""The function that Ray Tune runs on its workers: trains one trial and reports each epoch.

The only file in trainable/ that imports ray.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import ray
from ray import ObjectRef, tune

from trainable.assignment import Assignment
from trainable.contract import module_of
from trainable.trial_runner import run_trial
from trainable.user_modules import look_in


@dataclass(frozen=True)
class SharedData:
    """The data in Ray's object store.

    A reference instead of the data: a user's classes can be unpickled only once `root` is looked in.
    """

    data: ObjectRef[Any]
    """What the trainable's `Source.load` returned."""
    root: str
    """The folder from which the driver imported the trainable."""
    shipped: bool = False
    """Whether the driver sent the files of that folder."""


def train_trial(config: dict[str, Any], shared: SharedData) -> None:
    """Trains the assignment in `config` to its end, or until Ray ends this thread in `tune.report`."""
    assignment = Assignment(**config)
    if assignment.code is not None:
        look_in(assignment.code, module_of(assignment.trainable), shared.shipped)
    elif shared.root not in sys.path:
        sys.path.append(shared.root)
    with closing(run_trial(assignment, lambda: ray.get(shared.data))) as reports:
        for report in reports:
            tune.report(report.to_result())
