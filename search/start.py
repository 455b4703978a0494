"""Starting a run, or starting it again: the folder, the plan, the data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.cluster.access import THIS_MACHINE, Site
from search.plan.difference import differences
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.history import PlanVersion
from search.records.journal import StudyStorage, repair
from search.records.lease import write_guard
from search.records.lock import owning
from search.records.sweep import RunDamaged, Sweep
from search.records.warm_start import CannotWarmStart, WarmStart
from trainable.errors import InputError
from trainable.storage.durable import write_atomic
from trainable.storage.remote import RemoteFolder

if TYPE_CHECKING:
    from search.engine.search import Search
    from search.study.search import SearchStudy

_KEPT = ("name", "trainable", "data", "storage")
_EASED = ("budget", "resources", "confirmation", "cluster")
_LIMITS = ("trials", "wall_time", "epochs")


class PlanDiffers(InputError):
    """A run of that name exists, and its plan is another one.

    changes: a line for each key, `budget.trials: 40 -> 60`. What to do is in its note.
    """

    def __init__(self, run: RunFolder, changes: Sequence[str], advice: str) -> None:
        lines = "".join(f"\n  {change}" for change in changes)
        super().__init__(f"a run goes on by its own plan, but {run.name} has another than was given:{lines}")
        self.add_note(advice)
        self.changes = tuple(changes)


def plan_of(sweep: Sweep) -> Plan:
    """The plan in force of a run. Raises PlanError where its trainable has gone."""
    return Plan.parse(sweep.plan.table, f"the plan of {sweep.name}")


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
    """Own the run and give its search, to be iterated. A new run's plan is frozen in its folder;
    a run that has trials is continued.

    given: the plan, or for a run that exists what makes it of what the run is when it is owned. Between
    starts the resources may change, and the budget may grow; with `extend`, all may but what is trained
    and on what. Each change makes a version of the plan, which is recorded. warm_start: the folder of
    another run, whose trials seed the sampler of a new one. say: told what is waited for.

    Raises RunOwned, PlanDiffers, PlanError, CannotWarmStart, RunDamaged, what the trainable's Source
    raises (DataError), and OSError where the folder cannot be written.
    """
    if isinstance(given, Plan):
        given.check_searchable()
    new = not run.path.exists()
    run.path.mkdir(parents=True, exist_ok=True)
    with owning(run.lock, say):
        try:
            search = _opened(run, given, data_folder, site, extend, warm_start)
        except Exception:
            if new:  # nothing came of it, so nothing is left
                shutil.rmtree(run.path, ignore_errors=True)
            raise
        yield search


def _opened(
    run: RunFolder,
    given: Plan | Callable[[Sweep], Plan],
    data_folder: Path,
    site: Site,
    extend: bool,
    warm_start: Path | None,
) -> Search:
    run.stop_request.unlink(missing_ok=True)  # it was meant for an owner that is gone
    repaired = repair(run.journal)
    notes = [] if repaired is None else [repaired]
    journal = StudyStorage(run.journal, write_guard(run.owned)) if run.begun else None
    before = None if journal is None else Sweep.read(run.path, journal)
    if isinstance(given, Plan):
        plan = given
    else:
        assert before is not None
        plan = given(before)
        plan.check_searchable()
    plan = plan.recorded
    if before is not None and before.trials:
        _check_same(run, before, plan, extend)
        if warm_start is not None and (before.warm_start is None or before.warm_start.run != warm_start.name):
            raise CannotWarmStart(
                f"a warm start belongs to a run's beginning, but {run.name} has {len(before.trials)} trials; "
                f"leave --warm-start out, or give the new run a --name of its own"
            )
    else:
        _check_bare(run)
        origin = None if warm_start is None else WarmStart.of(Sweep.read(warm_start), plan)
        if origin is not None or before is None or before.plan.table != plan.to_table():
            run.clear()  # a start that never came to a trial leaves nothing to keep
            journal = None
        if origin is not None:
            origin.write(run.warm_start)
        stored = WarmStart.read_from(run.warm_start)
        if stored is not None:
            notes.append(stored.sentence(plan))
    from search.engine.search import Search
    from search.study.search import (
        SearchStudy,  # optuna and ray take a second that a refused plan need not wait
    )

    if plan.storage is not None:
        RemoteFolder(plan.storage).check()
    study = SearchStudy(run, plan, journal)
    run = replace(run, storage=study.storage)
    # A run that is finished is shown again without its data, which may be far away.
    data = None if study.spent() else plan.source.load(data_folder)
    if study.adopt():
        notes.append(_told(study, before))
    if before is not None:
        notes += _edited(run, before)
    write_atomic(run.plan, plan.to_toml())
    return Search(run, study, data, site, tuple(notes), before)


def _check_bare(run: RunFolder) -> None:
    """Raise RunDamaged where trials lie that no journal tells of: what is there is not to be lost."""
    there = run.path / "trials"
    trials = [path for path in there.iterdir() if path.is_dir()] if there.is_dir() else []
    if trials or run.openings.exists():
        raise RunDamaged(
            f"{run.path} holds {len(trials)} trials, but {run.journal.name} tells of none; restore that file "
            f"from a copy, or remove the folder to begin anew"
        )


def _edited(run: RunFolder, before: Sweep) -> list[str]:
    """What was changed by hand in the run's plan.toml, which is written anew from the record."""
    import tomllib

    try:
        written = tomllib.loads(run.plan.read_text())
    except (OSError, ValueError):
        return [] if not run.plan.exists() else [f"{run.plan} could not be read, and is written anew"]
    if not before.plans or any(written == version.table for version in before.plans):
        return []
    return [
        f"{run.plan} was edited ({'; '.join(differences(before.plan.table, written))}), which has no "
        f"effect, and is written again; `benchsweep extend {run.reference} --set KEY=VALUE` changes a plan"
    ]


def _check_same(run: RunFolder, before: Sweep, plan: Plan, extend: bool) -> None:
    """Raise PlanDiffers where the plan may not be this one."""
    changes = differences(before.plan.table, plan.to_table())
    changed = {change.partition(":")[0].partition(".")[0] for change in changes}
    kept = changed.intersection(_KEPT)
    if kept:
        raise PlanDiffers(
            run,
            changes,
            f"{', '.join(sorted(kept))} cannot change, for its trials could not be compared; give the new "
            f"plan a name of its own with --name, and learn from this run with --warm-start {run.reference}",
        )
    if not extend and (changed.difference(_EASED) or _lowered(before, plan)):
        raise PlanDiffers(
            run,
            changes,
            f"go on by its own with `benchsweep resume {run.reference}`; or extend it, which keeps all that "
            f"still fits, with `benchsweep extend {run.reference} --set KEY=VALUE`; or give the new plan a "
            f"name of its own with --name",
        )


def _lowered(before: Sweep, plan: Plan) -> bool:
    """Whether the plan allows less than the run's own, as it does when the command that began the run is
    given again after the run was extended."""
    limits = before.plan.budget
    for name in _LIMITS:
        held, wanted = getattr(limits, name), getattr(plan.budget, name)
        if wanted is not None and (held is None or wanted < held):
            return True
    return False


def _told(study: SearchStudy, before: Sweep | None) -> str:
    """The version that has just been made, in a sentence."""
    version: PlanVersion = study.versions[-1]
    sentence = f"plan version {version.number + 1}: {'; '.join(version.changes)}"
    total = 0 if before is None else len(before.trials)
    if any(not change.startswith(tuple(f"{part}." for part in _EASED)) for change in version.changes):
        sentence += f"; {study.learned} of {total} trials fit it and are learned from"
    return sentence
