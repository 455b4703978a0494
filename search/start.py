"""Starting a run, or starting it again: the folder, the frozen plan, the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from search.folder import RunFolder
from search.journal import repair
from search.lock import owning
from search.plan import Plan
from search.records import Sweep
from trainable.durable import write_whole

if TYPE_CHECKING:
    from search.tune import Search


class PlanDiffers(ValueError):
    """A run of that name exists, and its frozen plan is another one.

    differences: a line for each key, `budget.trials: 40 -> 60`.
    """

    def __init__(self, run: RunFolder, differences: list[str]) -> None:
        super().__init__(
            f"a run keeps the plan it began with, but {run.name} exists with another: "
            f"{'; '.join(differences)}. Give the new one a name of its own with --name, or continue the "
            f"old one with `benchsweep resume {run.name}`"
        )
        self.differences = differences


@contextmanager
def starting(run: RunFolder, plan: Plan, data_folder: Path, address: str | None = None) -> Iterator[Search]:
    """Own the run and give its search, to be iterated. A new run's plan is frozen in its folder;
    a run that has trials is continued, if its plan is this one.

    Raises Owned, PlanDiffers, PlanError, what the trainable's Source raises (DataError), and
    OSError where the folder cannot be written.
    """
    plan.check_searchable()
    # A run that is finished is shown again without its data, which may be far away.
    finished = run.plan.exists() and Sweep.read(run.path).status == "finished"
    data = None if finished else plan.source.load(data_folder)
    run.path.mkdir(parents=True, exist_ok=True)
    with owning(run.lock):
        repaired = repair(run.journal)
        before = Sweep.read(run.path) if run.plan.exists() else None
        if before is not None and before.trials:
            differences = Plan.read(run.plan).difference(plan)
            if differences:
                raise PlanDiffers(run, differences)
        if before is None or not before.trials:
            run.clear()  # a start that never came to a trial leaves nothing to keep
            write_whole(run.plan, plan.to_toml())
        from search.tune import Search  # ray takes a second that a refused plan need not wait

        yield Search(run, plan, data, address, repaired)
