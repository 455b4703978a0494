"""Finds the run, the trial or the plan that a user named on the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchsweep import terminal
from benchsweep.errors import UsageError
from search.plan.fault import hint
from search.plan.override import Override
from search.plan.plan import Plan
from search.records.folder import NotARun, RunFolder
from search.records.sweep import Sweep, Trial


def run_folder(run: str, runs: Path) -> RunFolder:
    """The run of that name below `runs`, or the one in the folder of that path. Raises NotARun."""
    path = Path(run)
    if os.sep in run or (path / "plan.toml").is_file():
        return RunFolder.existing(path)
    names = [folder.name for folder in RunFolder.all(runs)]
    if run in names:
        return RunFolder.named(run, runs)
    if not names:
        raise NotARun(
            f"there is no run in {runs.absolute()}",
            "start one with `benchsweep quickstart` or `benchsweep run CONFIG`, or name another folder "
            "with --runs",
        )
    raise NotARun(f"there is no run {run!r} in {runs.absolute()}", hint(run, names))


def run_or_newest(run: str | None, runs: Path) -> RunFolder:
    """The run of that name; without one, the one in `runs` that wrote to its journal last, whose name is
    printed to standard error. Raises NotARun."""
    if run is not None:
        return run_folder(run, runs)
    begun = [folder for folder in RunFolder.all(runs) if folder.journal.is_file()] or RunFolder.all(runs)
    if not begun:
        return run_folder("", runs)
    newest = max(begun, key=_last_written)
    terminal.say(terminal.err(), f"{newest.name}, the newest run in {runs}")
    return newest


def _last_written(folder: RunFolder) -> float:
    path = folder.journal if folder.journal.is_file() else folder.plan
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def trial_of(sweep: Sweep, name: str) -> Trial:
    """The trial of that number, or the "best". Raises UsageError."""
    if name == "best":
        best, top = sweep.best(), sweep.top()
        if best is None and top is not None:
            raise UsageError(
                f"the best of {sweep.name} is the plan's default recipe, which is no trial",
                f"the top score in the search is that of trial {top.number}",
            )
        if best is None:
            raise UsageError(f"{sweep.name} has no best trial yet, because no trial is complete")
        return best
    for trial in sweep.trials:
        if str(trial.number) == name:
            return trial
    known = f"trials 0 to {len(sweep.trials) - 1}" if sweep.trials else "no trials yet"
    raise UsageError(f"TRIAL must be a number or best, but got {name!r}; {sweep.name} has {known}")


def read_plan(
    config: Path,
    sets: Sequence[str],
    dataset: str | None = None,
    name: str | None = None,
    trial_timeout: str | None = None,
) -> Plan:
    """The plan in a file, with the changes that the options make to it. Raises PlanError."""
    overrides = _trial_timeout(trial_timeout)
    if dataset is not None:
        # Replaces the table, whose other keys, such as the size of the held-out split, are for another data
        # set.
        overrides.append(Override(f"--dataset {dataset}", ("data",), {"dataset": dataset}))
    if name is not None:
        overrides.append(Override(f"--name {name}", ("name",), name))
    return Plan.read(config, [*overrides, *sets])


def changed_plan(plan: Plan, trial_timeout: str | None = None) -> Plan:
    """A run's own plan, with the changes that the options make to it. Raises PlanError."""
    changes = _trial_timeout(trial_timeout)
    return Plan.parse(plan.to_table(), f"the plan of {plan.name}", changes, plan.folder)


def _trial_timeout(duration: str | None) -> list[str | Override]:
    if duration is None:
        return []
    return [Override(f"--trial-timeout {duration}", ("resources", "trial_timeout"), duration)]
