"""Confirming a search: its best trials and its default recipe, trained again with fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.cluster.access import THIS_MACHINE, Site
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import repair
from search.records.lock import owning
from search.records.sweep import Sweep
from search.start import plan_of
from trainable.errors import InputError

if TYPE_CHECKING:
    from search.engine.search import Search


class NothingToConfirm(InputError):
    """No trial can be confirmed; says why."""


def confirmation(
    run: RunFolder, plan: Plan, sweep: Sweep, data_folder: Path, site: Site = THIS_MACHINE, data: Any = None
) -> Search | None:
    """The race among the run's best trials, to be iterated like a search; it goes on where it was. None
    where the plan asks for none, or no trial is COMPLETE.

    The run must be owned. sweep: what is on record of it. data: what the trainable's Source loaded, if it
    was already.
    """
    from search.engine.search import Search
    from search.study.confirmation import (  # optuna and ray take a second that a refusal need not wait
        ConfirmationStudy,
        Entry,
    )

    entry = Entry.of(sweep, plan)
    if entry is None:
        return None
    again = sweep.run.confirmation
    again.path.mkdir(exist_ok=True)
    repaired = repair(again.journal)
    study = ConfirmationStudy(again, plan, entry)
    if data is None and study.spent() is None:
        data = plan.source.load(data_folder)
    return Search(again, study, data, site, () if repaired is None else (repaired,))


@contextmanager
def confirming(
    run: RunFolder,
    data_folder: Path,
    site: Site = THIS_MACHINE,
    candidates: int | None = None,
    seeds: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Search]:
    """Own the run and give the race among its best trials, to be iterated. candidates, seeds: in place of
    the plan's. say: told what is waited for.

    Raises NothingToConfirm, RunOwned, and what the trainable's Source raises (DataError)."""
    with owning(run.lock, say):
        run.stop_request.unlink(missing_ok=True)  # it was meant for an owner that is gone
        repair(run.journal)
        sweep = Sweep.read(run.path)
        plan = plan_of(sweep)
        given = {"candidates": candidates, "seeds": seeds}
        changed = {name: value for name, value in given.items() if value is not None}
        asked = plan.confirmation.model_copy(update=changed)
        if asked.candidates == 0:
            raise NothingToConfirm(
                f"a confirmation needs at least one candidate, but the plan of {run.name} asks for 0; "
                f"give --candidates"
            )
        search = confirmation(run, plan.model_copy(update={"confirmation": asked}), sweep, data_folder, site)
        if search is None:
            raise NothingToConfirm(
                f"a trial must be trained to its end to be confirmed, but none of {run.name}'s "
                f"{len(sweep.trials)} is; continue with `benchsweep resume {run.reference}`"
            )
        yield search
