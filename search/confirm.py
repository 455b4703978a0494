"""Confirming a search: its best trials and its default recipe, trained again with fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.cluster.access import THIS_MACHINE, Site
from search.cluster.this_machine import check_room
from search.plan.budget import ConfirmationSettings
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import repair
from search.records.lock import owning
from search.records.sweep import Sweep
from search.start import plan_of
from search.together import refuse_together
from trainable.errors import InputError
from trainable.user_code import calling

if TYPE_CHECKING:
    from search.engine.search import Search


class NothingToConfirm(InputError):
    """The plan asks for no candidate, or no trial is COMPLETE."""


def confirmation_search(
    run: RunFolder, plan: Plan, sweep: Sweep, data_folder: Path, site: Site = THIS_MACHINE, data: Any = None
) -> Search | None:
    """The race among the run's best trials, to be iterated like a search; it continues where it stopped. None
    if the plan asks for no confirmation, or no trial is COMPLETE.

    The run must be owned. sweep: its record. data: what the trainable's Source loaded, if it has been loaded
    already.
    """
    # Optuna takes a second, for which a refusal need not wait.
    from search.engine.search import Search
    from search.study.confirmation import ConfirmationStudy, Entry

    entry = Entry.of(sweep, plan)
    if entry is None:
        return None
    folder = sweep.run.confirmation
    folder.path.mkdir(exist_ok=True)
    repaired = repair(folder.journal)
    study = ConfirmationStudy(folder, plan, entry)
    if data is None and study.spent() is None:
        check_room(plan.resources, site)
        refuse_together(plan, site.local)
        with calling("Source.load"):
            data = plan.source.load(data_folder)
    return Search(folder, study, data, site, () if repaired is None else (repaired,))


@contextmanager
def confirming(
    run: RunFolder,
    data_folder: Path,
    site: Site = THIS_MACHINE,
    candidates: int | None = None,
    seeds: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Search]:
    """Own the run, and yield the race among its best trials, to be iterated.

    candidates, seeds: override the plan's; a plan without a confirmation has the default candidates. say:
    called with what is waited for.

    Raises NothingToConfirm, InsufficientResources (on this machine), RunOwned, and what the trainable's
    Source raises (DataError).
    """
    with owning(run.lock, say):
        run.stop_request.unlink(missing_ok=True)  # made to an earlier owner
        repair(run.journal)
        sweep = Sweep.read(run.path)
        plan = plan_of(sweep)
        overrides = {"candidates": candidates, "seeds": seeds}
        settings = plan.confirmation.model_copy(
            update={name: value for name, value in overrides.items() if value is not None}
        )
        if settings.candidates == 0:
            # The plan left the confirmation out of its run; whoever asks for it now means the usual one.
            settings = settings.model_copy(update={"candidates": ConfirmationSettings().candidates})
        search = confirmation_search(
            run, plan.model_copy(update={"confirmation": settings}), sweep, data_folder, site
        )
        if search is None:
            raise NothingToConfirm(
                f"only a trial trained to its end can be confirmed, but none of {run.name}'s "
                f"{len(sweep.trials)} trials is",
                f"continue the search with `benchsweep resume {run.reference}`",
            )
        yield search
