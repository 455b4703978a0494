"""What the functions of `import benchsweep` do: they find the run and the plan, and search as the commands
do."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsweep.actions.reproduce import originals
from benchsweep.errors import UsageError
from benchsweep.find import run_folder
from benchsweep.python.given import Trained, changes_of, plan_of_arguments
from benchsweep.python.streaming import Start
from benchsweep.screen.notebook import in_notebook
from benchsweep.session.search import RunOptions
from benchsweep.session.stages import Stage, confirmation_stages, search_stages
from search.cluster.access import Site
from search.extend import BudgetIncrease, extended_plan
from search.plan.budget import parse_duration
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.reproduce import Changes, Reproduction, reproduce
from search.retry import plan_with_failed
from search.start import plan_of
from trainable.contract import data_folder

Run = str | Path | Sweep
"""A run: its name below the folder of runs, the path of its folder, or what was read of it."""


@dataclass(frozen=True)
class Where:
    """Where a run lies and is trained."""

    runs: Path
    """The folder of all runs."""
    data_dir: Path | None
    """The folder of the data sets; None for BENCHSWEEP_DATA, or else ./data."""
    site: Site
    """Where trials are trained."""

    @classmethod
    def of(
        cls,
        runs: str | Path = "runs",
        data_dir: str | Path | None = None,
        local: bool = False,
        address: str | None = None,
        ship_code: bool = False,
    ) -> Where:
        """From the arguments that all functions share. Raises UsageError."""
        if local and address is not None:
            raise UsageError(
                f"local=True trains in this process, but address={address!r} names a cluster",
                "leave out one of them",
            )
        reached = address or os.environ.get("RAY_ADDRESS") or None
        site = Site(local=True) if local else Site(reached, ship_code)
        return cls(Path(runs), None if data_dir is None else Path(data_dir), site)

    def options(self, progress: bool) -> RunOptions:
        """How a search is run. progress: whether it is shown."""
        return RunOptions("live" if progress else "quiet", self.data_dir, self.site)

    def folder(self, run: Run) -> RunFolder:
        """The run that is meant. Raises NotARun."""
        return run.run if isinstance(run, Sweep) else run_folder(str(run), self.runs)


def started(
    trainable: Trained,
    where: Where,
    *,
    name: str | None,
    minimize: str | None,
    maximize: str | None,
    warm_start: Run | None,
    progress: bool,
    given: Mapping[str, Any],
) -> Start:
    """A run that is begun, or continued by the same plan."""
    plan = plan_of_arguments(trainable, name=name, minimize=minimize, maximize=maximize, given=given)
    plan.check_searchable()
    origin = None if warm_start is None else where.folder(warm_start).path
    run = RunFolder.named(plan.name, where.runs)
    return _start(run, plan, where, progress, warm_start=origin)


def resumed(run: Run, where: Where, *, failed: bool, progress: bool) -> Start:
    """A run that is continued by its own plan. failed: whether its failed trials are trained
    again."""

    def plan(sweep: Sweep) -> Plan:
        recorded = plan_of(sweep)
        return plan_with_failed(recorded, sweep) if failed else recorded

    return _start(where.folder(run), plan, where, progress)


def extended(
    run: Run,
    where: Where,
    *,
    trials: int | None,
    time: str | float | None,
    epochs: int | None,
    progress: bool,
    given: Mapping[str, Any],
) -> Start:
    """A run that is continued with more budget or a changed plan."""
    try:
        wall_time = None if time is None else parse_duration(time)
    except ValueError as error:
        raise UsageError(f"time {error}") from None
    increase = BudgetIncrease(trials, wall_time, epochs)

    def plan(sweep: Sweep) -> Plan:
        return extended_plan(plan_of(sweep), sweep, increase, changes_of(given))

    return _start(where.folder(run), plan, where, progress, extend=True)


def confirmed(run: Run, where: Where, *, candidates: int | None, seeds: int | None, progress: bool) -> Start:
    """A run's confirmation."""
    folder, options = where.folder(run), where.options(progress)

    def stages(say: Callable[[str], None]) -> Generator[Stage]:
        data = data_folder(where.data_dir)
        return confirmation_stages(folder, data, where.site, say, candidates, seeds)

    return Start(folder, stages, options)


def _start(
    run: RunFolder,
    plan: Plan | Callable[[Sweep], Plan],
    where: Where,
    progress: bool,
    *,
    extend: bool = False,
    warm_start: Path | None = None,
) -> Start:
    def stages(say: Callable[[str], None]) -> Generator[Stage]:
        return search_stages(
            run,
            plan,
            data_folder(where.data_dir),
            where.site,
            say,
            extend=extend,
            warm_start=warm_start,
            notes=progress and not in_notebook(),
        )

    return Start(run, stages, where.options(progress))


def reproduced(
    run: Run, trial: int | str, where: Where, *, seeds: int, changes: Changes
) -> list[Reproduction]:
    """The outcome of training a trial again, and then its first `seeds` reruns."""
    sweep = Sweep.read(where.folder(run).path)
    plan, data = plan_of(sweep), data_folder(where.data_dir)
    return [
        update
        for training in originals(sweep, str(trial), seeds)
        for update in reproduce(plan, training, data, changes)
        if isinstance(update, Reproduction)
    ]
