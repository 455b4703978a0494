"""Starting or resuming a run: its folder, its plan, its data."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.cluster.access import THIS_MACHINE, Site
from search.cluster.this_machine import check_room
from search.plan.difference import differences
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import StudyStorage, repair
from search.records.lease import write_guard
from search.records.lock import owning
from search.records.sweep import RunDamaged, Sweep
from search.records.warm_start import CannotWarmStart, WarmStart
from search.together import refuse_together
from trainable.errors import InputError
from trainable.storage.durable import write_atomic
from trainable.storage.remote import RemoteFolder
from trainable.user_code import calling

if TYPE_CHECKING:
    from search.engine.search import Search
    from search.study.search import SearchStudy

_FIXED = {"name", "trainable", "metric", "data", "storage"}
"""Parts of a plan that never change: trials could not be compared."""
_ADJUSTABLE = {"budget", "resources", "confirmation", "cluster"}
"""Parts that may change with every start; of the budget, limits may only be raised."""
_LIMITS = ("trials", "wall_time", "epochs")


class PlanDiffers(InputError):
    """A run of that name exists, with another plan."""

    def __init__(self, run: RunFolder, changes: Sequence[str], advice: str) -> None:
        lines = "".join(f"\n  {change}" for change in changes)
        super().__init__(
            f"a run is continued by its own plan, but {run.name} has another plan than the given one:{lines}",
            advice,
        )
        self.changes = tuple(changes)
        """One line per key: `budget.trials: 40 -> 60`."""


def plan_of(sweep: Sweep) -> Plan:
    """The plan in force of a run. Raises PlanError if its trainable cannot be imported any more."""
    return Plan.parse(sweep.plan.table, f"the plan of {sweep.name}", folder=sweep.code)


@contextmanager
def starting(
    run: RunFolder,
    given: Plan | Callable[[Sweep], Plan],
    data_folder: Path,
    site: Site = THIS_MACHINE,
    *,
    extend: bool = False,
    warm_start: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Search]:
    """Own the run, and yield its search, to be iterated. The plan of a new run is written to its folder; a
    run that has trials is continued.

    given: the plan, or for a run that exists a function from the run, once it is owned, to the plan. Between
    starts the resources may change and the budget may grow. extend: whether everything else may change as
    well, except what is trained and on what data. Each change is recorded as a version of the plan.
    warm_start: folder of another run whose trials a new run's sampler learns from. say: called with what is
    waited for.

    Raises RunOwned, PlanDiffers, PlanError, CannotWarmStart, RunDamaged, InsufficientResources (on this
    machine), what the trainable's Source raises (DataError), and OSError if the folder cannot be written.
    """
    if isinstance(given, Plan):
        given.check_searchable()
    new = not run.path.exists()
    run.path.mkdir(parents=True, exist_ok=True)
    with owning(run.lock, say):
        try:
            search = _search(run, given, data_folder, site, extend, warm_start)
        except Exception:
            if new:
                shutil.rmtree(run.path, ignore_errors=True)
            raise
        yield search


def _search(
    run: RunFolder,
    given: Plan | Callable[[Sweep], Plan],
    data_folder: Path,
    site: Site,
    extend: bool,
    warm_start: Path | None,
) -> Search:
    run.stop_request.unlink(missing_ok=True)  # made to an earlier owner
    repaired = repair(run.journal)
    notes = [] if repaired is None else [repaired]
    journal = StudyStorage(run.journal, write_guard(run.owned)) if run.begun else None
    before = None if journal is None else Sweep.read(run.path, journal)
    if isinstance(given, Plan):
        plan = given
    else:
        plan = given(before or Sweep.read(run.path))
        plan.check_searchable()
    plan = plan.recorded
    if before is not None and before.trials:
        _check_may_continue(run, before, plan, extend)
        if warm_start is not None and (before.warm_start is None or before.warm_start.run != warm_start.name):
            raise CannotWarmStart(
                f"only a new run can warm-start, but {run.name} has {len(before.trials)} trials",
                "leave out --warm-start, or give the new run a --name of its own",
            )
    else:
        _check_no_trials(run)
        origin = None if warm_start is None else WarmStart.of(Sweep.read(warm_start), plan)
        if origin is not None or before is None or before.plan.table != plan.to_table():
            run.clear()  # what a start left that never came to a trial
            journal = None
        notes += _warm_start_notes(run, plan, origin)
    from search.engine.search import Search
    from search.study.search import SearchStudy  # optuna takes a second, for which a refusal need not wait

    if plan.storage is not None:
        RemoteFolder(plan.storage).check()
    if journal is None:  # a process that dies in its first write to the journal leaves a run to be resumed
        write_atomic(run.plan, plan.to_toml())
    study = SearchStudy(run, plan, journal)
    run = replace(run, storage=study.storage)
    # A finished run is shown again without its data, which may be far away, and on any machine.
    data = None
    if not study.spent():
        check_room(plan.resources, site)
        refuse_together(plan, site.local)
        with calling("Source.load"):
            data = plan.source.load(data_folder)
    if study.adopt():
        notes.append(_new_version(study, before))
    study.note_code()
    if before is not None:
        notes += _manual_edits(run, before)
    write_atomic(run.plan, plan.to_toml())
    return Search(run, study, data, site, tuple(notes), before)


def _warm_start_notes(run: RunFolder, plan: Plan, origin: WarmStart | None) -> list[str]:
    """Store the warm start `origin`, if there is one. Returns a note about the one that is in effect."""
    if origin is not None:
        origin.write(run.warm_start)
    stored = WarmStart.read_from(run.warm_start)
    return [] if stored is None else [stored.sentence(plan)]


def _check_no_trials(run: RunFolder) -> None:
    """Raise RunDamaged if there are trials that the journal does not know, which would be overwritten."""
    trials_folder = run.path / "trials"
    folders = [path for path in trials_folder.iterdir() if path.is_dir()] if trials_folder.is_dir() else []
    if folders or run.openings.exists():
        raise RunDamaged(
            f"{run.path} has the folders of {len(folders)} trials, but {run.journal.name} has no trial",
            "restore that file from a copy, or remove the folder to start over",
        )


def _manual_edits(run: RunFolder, before: Sweep) -> list[str]:
    """A note if the run's plan.toml, which is written from the record, was edited by hand."""
    try:
        written = tomllib.loads(run.plan.read_text())
    except (OSError, ValueError):
        return [f"{run.plan} could not be read, and is written again"] if run.plan.exists() else []
    if not before.plans or any(written == version.table for version in before.plans):
        return []
    return [
        f"{run.plan} was edited by hand ({'; '.join(differences(before.plan.table, written))}), which has no "
        f"effect, and is written again; `benchsweep extend {run.reference} --set KEY=VALUE` changes a plan"
    ]


def _check_may_continue(run: RunFolder, before: Sweep, plan: Plan, extend: bool) -> None:
    """Raise PlanDiffers unless the run may be continued by this plan."""
    table = plan.to_table()
    changed = _changed_parts(before.plan.table, table)
    if fixed := changed & _FIXED:
        advice = (
            f"{', '.join(sorted(fixed))} cannot change, or trials could not be compared; give the new plan a "
            f"name of its own with --name, and let it learn from this run with --warm-start {run.reference}"
        )
    elif not extend and (changed - _ADJUSTABLE or _lowered(before, plan)):
        advice = (
            f"continue by its own plan with `benchsweep resume {run.reference}`; or change its plan, keeping "
            f"all trials that still fit, with `benchsweep extend {run.reference} --set KEY=VALUE`; or give "
            f"the new plan a name of its own with --name"
        )
    else:
        return
    raise PlanDiffers(run, differences(before.plan.table, table), advice)


def _changed_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """The top-level keys in which two plans differ."""
    return {
        key
        for key in before.keys() | after.keys()
        if differences({key: before.get(key)}, {key: after.get(key)})
    }


def _lowered(before: Sweep, plan: Plan) -> bool:
    """Whether the plan allows less than the run's own, as when the command that began the run is given again
    after the run was extended."""
    limits = before.plan.budget
    for name in _LIMITS:
        old, new = getattr(limits, name), getattr(plan.budget, name)
        if new is not None and (old is None or new < old):
            return True
    return False


def _new_version(study: SearchStudy, before: Sweep | None) -> str:
    """A note about the version of the plan that was just recorded."""
    previous, version = study.versions[-2:]
    note = f"plan version {version.number + 1}: {'; '.join(version.changes)}"
    trials = 0 if before is None else len(before.trials)
    if _changed_parts(previous.table, version.table) - _ADJUSTABLE:
        note += f"; {study.learned} of {trials} trials fit it and are learned from"
    return note
