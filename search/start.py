"""Starting a run, or starting it again: the folder, the plan, the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from search.difference import differences
from search.folder import RunFolder
from search.journal import repair, study_attributes
from search.lock import owning
from search.plan import Plan
from search.records import PlanVersion, Sweep, plan_versions
from search.warm_start import CannotWarmStart, WarmStart
from trainable.durable import write_whole

if TYPE_CHECKING:
    from search.tune import Search

_KEPT = ("name", "trainable", "data")
_EASED = ("budget", "resources")


class PlanDiffers(ValueError):
    """A run of that name exists, and its plan is another one.

    changes: a line for each key, `budget.trials: 40 -> 60`. What to do is in its note.
    """

    def __init__(self, run: RunFolder, changes: Sequence[str], advice: str) -> None:
        lines = "".join(f"\n  {change}" for change in changes)
        super().__init__(f"a run goes on by its own plan, but {run.name} has another than was given:{lines}")
        self.add_note(advice)
        self.changes = tuple(changes)


def recorded_plan(run: RunFolder) -> Plan:
    """The plan to go on by: the run's plan.toml, with what a user changed in it; but the one on record
    where an extension was recorded and cut off before plan.toml was written. Raises PlanError."""
    written = Plan.read(run.plan)
    plans = plan_versions(study_attributes(run.journal, "plan:"))
    if plans and any(written.to_table() == each.table for each in plans):
        return Plan.parse(plans[-1].table, str(run.plan))
    return written


@contextmanager
def starting(
    run: RunFolder,
    plan: Plan,
    data_folder: Path,
    address: str | None = None,
    *,
    extend: bool = False,
    warm_start: Path | None = None,
) -> Iterator[Search]:
    """Own the run and give its search, to be iterated. A new run's plan is frozen in its folder;
    a run that has trials is continued.

    Its budget and resources may change between starts; with `extend`, so may all but what is trained
    and on what. Each change makes a version of the plan, which is recorded. warm_start: the folder of
    another run, whose trials seed the sampler of a new one.

    Raises Owned, PlanDiffers, PlanError, CannotWarmStart, what the trainable's Source raises
    (DataError), and OSError where the folder cannot be written.
    """
    plan.check_searchable()
    seen, before = _journal_seen(run), _before(run)
    if before is not None and before.trials:
        _check_same(run, before, plan, extend)  # before any data is looked for
    same = before is not None and before.plan == plan.to_table()
    # A run that is finished is shown again without its data, which may be far away.
    finished = same and before is not None and before.status == "finished"
    data = None if finished else plan.source.load(data_folder)
    run.path.mkdir(parents=True, exist_ok=True)
    with owning(run.lock):
        run.stop_request.unlink(missing_ok=True)  # it was meant for an owner that is gone
        repaired = repair(run.journal)
        if _journal_seen(run) != seen:
            before = _before(run)
        notes = [] if repaired is None else [repaired]
        if before is None or not before.trials:
            origin = None if warm_start is None else WarmStart.of(Sweep.read(warm_start), plan)
            run.clear()  # a start that never came to a trial leaves nothing to keep
            write_whole(run.plan, plan.to_toml())
            if origin is not None:
                origin.write(run.warm_start)
                notes.append(origin.sentence(plan))
        else:
            _check_same(run, before, plan, extend)
            if warm_start is not None and (
                before.warm_start is None or before.warm_start.run != warm_start.name
            ):
                raise CannotWarmStart(
                    f"a warm start belongs to a run's beginning, but {run.name} has {len(before.trials)} "
                    f"trials; leave --warm-start out, or give the new run a --name of its own"
                )
        from search.study import Study  # optuna and ray take a second that a refused plan need not wait
        from search.tune import Search

        study = Study(run, plan)
        if study.version and not same:
            notes.append(_told(study.versions[-1], study.learned, before))
        if run.plan.read_text() != plan.to_toml():
            write_whole(run.plan, plan.to_toml())
        yield Search(run, study, data, address, tuple(notes), before)


def _before(run: RunFolder) -> Sweep | None:
    """What earlier starts left; None where there is no run yet."""
    return Sweep.read(run.path) if run.plan.exists() else None


def _journal_seen(run: RunFolder) -> tuple[int, int] | None:
    """What changes when the journal does: of ten thousand trials it takes seconds to read."""
    if not run.journal.exists():
        return None
    found = run.journal.stat()
    return found.st_size, found.st_mtime_ns


def _check_same(run: RunFolder, before: Sweep, plan: Plan, extend: bool) -> None:
    """Raise PlanDiffers where the plan may not be this one."""
    changes = differences(before.plan, plan.to_table())
    changed = {change.partition(":")[0].partition(".")[0] for change in changes}
    kept = changed.intersection(_KEPT)
    if kept:
        raise PlanDiffers(
            run,
            changes,
            f"{', '.join(sorted(kept))} cannot change, for its trials could not be compared; give the new "
            f"plan a name of its own with --name, and learn from this run with --warm-start {run.reference}",
        )
    if changed.difference(_EASED) and not extend:
        raise PlanDiffers(
            run,
            changes,
            f"go on by its own with `benchsweep resume {run.reference}`; or extend it, which keeps all that "
            f"still fits, with `benchsweep extend {run.reference} --set KEY=VALUE`; or give the new plan a "
            f"name of its own with --name",
        )


def _told(version: PlanVersion, learned: int, before: Sweep | None) -> str:
    """The version that has just been made, in a sentence."""
    sentence = f"plan version {version.number + 1}: {'; '.join(version.changes)}"
    total = 0 if before is None else len(before.trials)
    if any(not change.startswith(tuple(f"{part}." for part in _EASED)) for change in version.changes):
        sentence += f"; {learned} of {total} trials fit it and are learned from"
    return sentence
