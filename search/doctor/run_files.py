"""Whether a run's folder holds what its journal says: read, compared, and nothing changed."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.doctor.finding import CheckStatus, Finding, checked, failed, merged, passed, warned
from search.doctor.trial_files import checkpoint_of, epochs_of
from search.plan.difference import differences
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.journal import JournalDamaged, open_journal, survey
from search.records.lease import Owner
from search.records.lock import owner_of
from search.records.opening import TestSetOpening
from search.records.sweep import STORAGE, RunDamaged, plan_versions, sessions_of, status_of
from search.records.warm_start import WarmStart
from trainable.storage.checkpoint import previous

_AGAIN = 0.5
"""Seconds after which a complaint about a run that is searched is looked at once more: its files are
written one after the other, and a reader may come between."""

_SPARE = 100 * 10**6
"""Bytes of what is left over, above which it is worth a word."""


@dataclass(frozen=True)
class _Record:
    """What the journal says. attributes: of the study. trials: by number."""

    attributes: Mapping[str, Any]
    trials: tuple[FrozenTrial, ...]
    direction: StudyDirection

    @classmethod
    def read(cls, run: RunFolder) -> _Record:
        """Everything in the journal; nothing where there is none."""
        if run.journal.is_file():
            storage = open_journal(run.journal)
            for study in storage.get_all_studies():
                trials = storage.get_all_trials(study._study_id, deepcopy=False)
                return cls(study.user_attrs, tuple(trials), study.directions[0])
        return cls({}, (), StudyDirection.MAXIMIZE)

    @property
    def best(self) -> FrozenTrial | None:
        """The COMPLETE trial with the best score, the earliest in a tie."""
        sign = -1 if self.direction is StudyDirection.MAXIMIZE else 1
        complete = [trial for trial in self.trials if trial.state is TrialState.COMPLETE]
        return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def inspect(run: RunFolder) -> Iterator[Finding]:
    """The findings on one run, which may be searched meanwhile. The time it takes grows with its
    trials and checkpoints, and no faster."""
    owner = owner_of(run.lock)
    yield _twice("owner", owner, lambda: _owner(run, owner_of(run.lock)))
    journal = _twice("journal", owner, lambda: _journal(run, owner))
    yield journal
    record = _Record({}, (), StudyDirection.MAXIMIZE)
    checks: dict[str, _Check] = {"plan": _plan, "warm start": _warm_start}
    if journal.verdict is not CheckStatus.FAIL:
        record, checks = _Record.read(run), checks | _CHECKS
        run = replace(run, storage=record.attributes.get(STORAGE))
    checks["folder"] = _folder
    for name, check in checks.items():

        def against(record: _Record, check: _Check = check) -> Finding:
            return check(run, record, owner)

        yield _twice(name, owner, lambda: against(record), lambda: against(_Record.read(run)))


def _twice(
    name: str, owner: Owner | None, first: Callable[[], Finding], again: Callable[[], Finding] | None = None
) -> Finding:
    """What the check found. Of a run that is searched, a complaint is looked into once more."""
    finding = checked(name, first)
    if owner is not None and finding.verdict is not CheckStatus.PASS:
        time.sleep(_AGAIN)
        finding = checked(name, again or first)
    return finding


def _owner(run: RunFolder, owner: Owner | None) -> Finding:
    asked = run.stop_request
    age = time.time() - asked.stat().st_mtime if asked.exists() else None
    if owner is None:
        if age is not None:
            return warned("owner", f"nobody runs it, but {asked} asks to stop", "the next start removes it")
        return passed("owner", "nobody runs it")
    who = f"process {owner.pid} on {owner.host} runs it, since {owner.since}"
    if owner.host == socket.gethostname() and owner.pid and not _lives(owner.pid):
        return warned(
            "owner",
            f"{run.lock} is held, but not by the process it names, {owner.pid}, which has gone",
            f"`fuser {run.lock}` tells who holds it: perhaps a process that was started by it",
        )
    if age is not None and age > 60:
        return warned(
            "owner",
            f"{who}, and was asked to stop {age:,.0f} s ago",
            f"`kill {owner.pid}` on {owner.host} asks likewise, and given twice ends it at once",
        )
    return passed("owner", who)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _plan(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    try:
        plan = Plan.read(run.plan)
        plan.check_searchable(str(run.plan))
    except PlanError as error:
        return failed(
            "plan",
            "; ".join(error.faults),
            "a trainable of your own is found from the folder it lies in; else restore the file from a copy",
        )
    told = f"it searches {len(plan.space.settings)} settings of {plan.trainable}"
    versions = plan_versions(record.attributes)
    if versions and (changes := differences(versions[-1].table, plan.to_table())):
        told += f"; plan.toml was changed since the last start, in {'; '.join(changes)}"
    return passed("plan", told)


def _warm_start(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    try:
        begun = WarmStart.stored(run.warm_start)
    except RunDamaged as error:
        told = str(error).partition("; ")[0]
        return failed("warm start", told, "restore it from a copy: the run cannot go on without it")
    if begun is not None:
        return passed(
            "warm start", f"{len(begun.trials):,} trials of {begun.run} are there to seed the sampler"
        )
    if "warm_start" in record.attributes:
        told = f"{run.warm_start} is missing, but the run began with it"
        return warned("warm start", told, "restore it from a copy: without it the sampler knows less")
    return passed("warm start", "none: the run began from nothing")


def _journal(run: RunFolder, owner: Owner | None) -> Finding:
    if not run.journal.is_file():
        if any((run.path / "trials").glob("[0-9]*")):
            return failed(
                "journal",
                f"{run.journal} is missing, but there are trials",
                "restore it from a copy of the run",
            )
        return passed("journal", "there is none: the run never began")
    try:
        seen = survey(run.journal)
    except JournalDamaged as error:
        told, _, advice = str(error).partition("; ")
        return failed("journal", told, advice)
    if torn := seen.size - seen.whole:
        if owner is None:
            advice = "the next start cuts it; what it recorded is done again"
            return warned("journal", f"it ends in a torn line of {torn:,} bytes", advice)
        return passed("journal", f"{seen.lines:,} whole lines, and one that is being written")
    return passed("journal", f"{seen.lines:,} lines in {_size(seen.size)}, all whole")


def _trials(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    numbers = [trial.number for trial in record.trials]
    total = len(numbers)
    wrong = []
    if numbers != list(range(total)):
        strange = next(number for at, number in enumerate(numbers) if number != at)
        told = f"trials must be numbered 0 to {total - 1}, each once, but {strange} is out of its place"
        wrong.append(failed("trials", told, "restore the journal from a copy"))
    folder = run.path / "trials"
    names = [each.name for each in os.scandir(folder)] if folder.is_dir() else []
    strays = sorted(int(name) for name in names if name.isdigit() and int(name) >= total)
    if strays:
        told = f"{len(strays):,} trials have folders, {strays[0]} the first, but are not in the journal"
        advice = "the journal is older than they are: restore the newer one; resumed, they are trained anew"
        wrong.append(warned("trials", told, advice))
    recorded = record.attributes
    versions, settled = plan_versions(recorded), recorded.get("settled", -1)
    status = status_of(owner is not None, sessions_of(recorded), versions, settled)
    planned = _budget(run)
    of = f"{total:,} trials" if planned is None else f"{total:,} of {planned:,} trials"
    if planned is not None and total > planned:
        told = f"there are {total:,} trials, but the budget allows {planned:,}"
        wrong.append(warned("trials", told, "none, if the budget was made smaller since"))
    return merged("trials", f"{of}, numbered without a gap; the run is {status}", wrong)


def _budget(run: RunFolder) -> int | None:
    try:
        return Plan.read(run.plan).budget.trials
    except PlanError:
        return None  # told by a check of its own


def _epochs(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    metric = record.attributes.get("metric", {}).get("name", "")
    trained = [trial for trial in record.trials if "same_as" not in trial.user_attrs]
    wrong = [each for trial in trained for each in epochs_of(run, trial, metric, owner is not None)]
    count = sum(len(trial.intermediate_values) for trial in trained)
    return merged(
        "epochs", f"{count:,} epochs of {len(trained):,} trials are in their files as in the journal", wrong
    )


def _checkpoints(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    best = record.best
    wrong: list[Finding] = []
    count = 0
    for trial in record.trials:
        interrupted = trial.state is TrialState.RUNNING and owner is None and trial.intermediate_values
        complete = trial.state is TrialState.COMPLETE and "same_as" not in trial.user_attrs
        if interrupted or complete:
            count += 1
            wrong += checkpoint_of(run, trial, best is not None and trial.number == best.number)
    return merged("checkpoints", f"those of {count:,} trials, complete or interrupted, are whole", wrong)


def _openings(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    if not run.openings.is_file():
        return passed("openings", "the test set was not opened")
    try:
        openings = [TestSetOpening.from_json(each) for each in json.loads(run.openings.read_text())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"{run.openings} is not what was written there ({type(error).__name__}: {error})"
        return failed("openings", told, "restore it from a copy: it counts the looks at the test set")
    wrong = []
    complete = {trial.number for trial in record.trials if trial.state is TrialState.COMPLETE}
    strangers = {look.trial for opening in openings for look in opening.looks} - complete - {None}
    for trial in sorted(strangers, key=str):
        told = f"the test set was opened for trial {trial}, which is no complete trial of this run"
        wrong.append(failed("", told, "journal and openings are not of one run: restore both from one copy"))
    if owner is None and openings and not any(each.looks for each in openings):
        told = (
            f"the test set was opened at {openings[-1].time.isoformat()}, but what was seen is not on record"
        )
        wrong.append(
            warned("", told, f"`benchsweep resume {run.reference}` looks again, which is recorded too")
        )
    times = f"{len(openings)} time{'s' if len(openings) != 1 else ''}"
    return merged("openings", f"the test set was opened {times}, for trials of this run", wrong)


def _folder(run: RunFolder, record: _Record, owner: Owner | None) -> Finding:
    """Its size, and what of it nobody needs."""
    size = count = 0
    spare: dict[str, int] = {}
    pruned = [trial.number for trial in record.trials if trial.state is TrialState.PRUNED]
    stopped = [place for number in pruned if isinstance(place := run.trial(number).checkpoint, Path)]
    needless = {*stopped, *map(previous, stopped)}
    for root, _, names in os.walk(run.path):
        for name in names:
            path = Path(root, name)
            try:
                found = path.lstat()
            except FileNotFoundError:  # replaced meanwhile
                continue
            size, count = size + found.st_size, count + 1
            if name.startswith(".") and name.endswith(".tmp") and owner is None:
                kind = "temporary files"
            elif path in needless:
                kind = "checkpoints of trials that were stopped"
            elif owner is None and path.is_relative_to(run.engine):
                kind = "files of Ray's"
            else:
                continue
            spare[kind] = spare.get(kind, 0) + found.st_size
    told = f"{_size(size)} in {count:,} files"
    if spare:
        left = ", ".join(f"{kind} ({_size(held)})" for kind, held in spare.items())
        told += f", of which left over: {left}"
    if sum(spare.values()) > _SPARE:
        return warned("folder", told, "nothing needs them: delete them while nobody runs it")
    return passed("folder", told)


def _size(size: int) -> str:
    return f"{size / 10**6:,.1f} MB" if size >= 10**5 else f"{size / 10**3:,.1f} kB"


_Check = Callable[[RunFolder, _Record, Owner | None], Finding]
_CHECKS: dict[str, _Check] = {
    "trials": _trials,
    "epochs": _epochs,
    "checkpoints": _checkpoints,
    "openings": _openings,
}
