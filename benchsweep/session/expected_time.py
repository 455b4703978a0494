"""How long a new search will take, by the records of an earlier run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reports.formatting.wording import duration, plural
from search.cluster.access import Site
from search.cost import Estimate, TimedRecipe, cost_of, workers_of
from search.plan.plan import Plan
from search.records.environment import processor
from search.records.sweep import Sweep
from trainable.errors import BenchsweepError
from trainable.storage.record_file import read_record

LIMITS = {"trials": "trials", "epochs": "epochs", "wall_time": "wall time"}
"""The limits of a budget in words."""
_READ = 3
"""Earlier runs that are read, at most."""
_LARGEST = 20_000_000
"""Bytes of a journal above which a run is passed over: replaying it would take a second."""


_SHORTEST = 10.0
"""Seconds of training below which starting takes longer, so that the estimate says nothing."""


def expected_time(plan: Plan, runs: Path, site: Site) -> str | None:
    """A sentence from the newest run in `runs` with the same trainable and data that was trained on such a
    processor; None if there is none, if the search is on a cluster, or if it takes only seconds."""
    if not site.alone:
        return None
    workers = workers_of(plan, site)
    for sweep in _earlier(plan, runs):
        timed = _timed(sweep, plan)
        if not timed or not _is_comparable(sweep, plan):
            continue
        cost = cost_of(plan, timed, workers)
        if cost.first_limit is None or cost.limits[cost.first_limit].seconds < _SHORTEST:
            return None
        return (
            f"expected: at most {interval_text(cost.limits[cost.first_limit])}, until its limit of "
            f"{LIMITS[cost.first_limit]}; by {plural(len(timed), 'trial')} of {sweep.name}"
        )
    return None


def interval_text(estimate: Estimate) -> str:
    """ "12 min 05 s (90 % interval 8 min 10 s to 16 min 00 s)"."""
    text = duration(estimate.seconds)
    if estimate.low is None or estimate.high is None or estimate.low == estimate.high:
        return text
    return f"{text} (90 % interval {duration(estimate.low)} to {duration(estimate.high)})"


def _earlier(plan: Plan, runs: Path) -> Iterator[Sweep]:
    """The newest runs with the plan's trainable and data, as far as they can be read."""
    journals = []
    for journal in runs.glob("*/study.journal"):
        with suppress(OSError):
            status = journal.stat()
            if status.st_size <= _LARGEST and journal.parent.name != plan.name:
                journals.append((status.st_mtime, journal.parent))
    read = 0
    for _, folder in sorted(journals, reverse=True):
        with suppress(OSError, ValueError, BenchsweepError):
            table = tomllib.loads(read_record(folder / "plan.toml"))
            if table.get("trainable") == plan.trainable and table.get("data") == plan.data:
                read += 1
                yield Sweep.read(folder, partly=True)
        if read == _READ:
            return


def _is_comparable(sweep: Sweep, plan: Plan) -> bool:
    environment = sweep.environment
    return environment.get("processor") == processor() and environment.get("threads") == plan.resources.cpus


def _timed(sweep: Sweep, plan: Plan) -> list[TimedRecipe]:
    """The recipes that the run trained, with the mean time of their epochs."""
    return [
        TimedRecipe(
            sampled=trial.sampled,
            epoch_seconds=trial.seconds / len(trial.epochs),
            epochs=plan.max_epochs,
            checkpoint_bytes=0,
        )
        for trial in sweep.trials
        if trial.seconds and trial.same_as is None
    ]
