"""From what a user typed to the run, the trial or the plan that is meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchsweep.errors import UsageError
from search.plan.fault import meant
from search.plan.plan import Plan, PlanError
from search.records.folder import NotARun, RunFolder
from search.records.sweep import Sweep, Trial


def run_folder(run: str, runs: Path) -> RunFolder:
    """The run of that name below `runs`, or in the folder of that path. Raises NotARun."""
    written = Path(run)
    if os.sep in run or (written / "plan.toml").is_file():
        return RunFolder.existing(written)
    there = [each.name for each in RunFolder.all(runs)]
    if run in there:
        return RunFolder.named(run, runs)
    if not there:
        raise NotARun(
            f"there is no run in {runs.absolute()}; start one with `benchsweep quickstart` or "
            f"`benchsweep run CONFIG`, or name another folder with --runs"
        )
    raise NotARun(f"there is no run {run!r} in {runs.absolute()}{meant(run, there)}")


def trial_of(sweep: Sweep, trial: str) -> Trial:
    """The trial of that number, or the "best". Raises Mistake."""
    if trial == "best":
        best = sweep.best()
        if best is None:
            raise UsageError(f"{sweep.name} has no best trial yet: none has trained to its end")
        return best
    for each in sweep.trials:
        if str(each.number) == trial:
            return each
    known = f"0 to {len(sweep.trials) - 1}" if sweep.trials else "none yet"
    raise UsageError(f"TRIAL must be a number or best, but got {trial!r}; {sweep.name} has trials {known}")


def read_plan(
    config: Path,
    sets: Sequence[str],
    dataset: str | None = None,
    name: str | None = None,
    trial_timeout: str | None = None,
) -> Plan:
    """The plan in a file, with what the options change about it. Raises PlanError."""
    shortcuts = _timeout(trial_timeout)
    if dataset is not None:
        # The whole table: how much is held out, say, was meant for the data set before.
        shortcuts[f"data={{dataset = {json.dumps(dataset)}}}"] = f"--dataset {dataset}"
    if name is not None:
        shortcuts[f"name={json.dumps(name)}"] = f"--name {name}"
    with _in_words_of(shortcuts):
        return Plan.read(config, [*shortcuts, *sets])


def changed_plan(plan: Plan, trial_timeout: str | None = None) -> Plan:
    """A run's own plan, with what the options change about it. Raises PlanError."""
    shortcuts = _timeout(trial_timeout)
    with _in_words_of(shortcuts):
        return Plan.parse(plan.to_table(), f"the plan of {plan.name}", [*shortcuts])


def _timeout(given: str | None) -> dict[str, str]:
    if given is None:
        return {}
    return {f"resources.trial_timeout={json.dumps(given)}": f"--trial-timeout {given}"}


@contextmanager
def _in_words_of(shortcuts: Mapping[str, str]) -> Iterator[None]:
    """Name the option that was given, and not the override it stands for."""
    try:
        yield
    except PlanError as error:
        faults = list(error.faults)
        for override, option in shortcuts.items():
            faults = [fault.replace(f"--set {override}", option) for fault in faults]
        raise PlanError(faults) from None
