"""The function that Ray Tune runs on its workers: one trial, trained and reported epoch by epoch.

The only file here that imports ray.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import ray
from ray import ObjectRef, tune

from trainable.assignment import Assignment
from trainable.trial_runner import run_trial


@dataclass(frozen=True)
class Mapped:
    """Where the data lies in Ray's object store, and the folder the trainable is imported from. A
    reference and not the data itself: a user's classes are unpickled once that folder is known."""

    data: ObjectRef[Any]
    root: str


def train_trial(config: dict[str, Any], mapped: Mapped) -> None:
    """Train the assignment in `config` to its end, or until Ray ends this thread in `tune.report`."""
    if mapped.root not in sys.path:
        sys.path.append(mapped.root)
    with closing(run_trial(Assignment(**config), lambda: ray.get(mapped.data))) as reports:
        for report in reports:
            tune.report(report.to_result())
