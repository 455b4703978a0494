"""Whether the files of a run agree with its journal. Reads only, so the run may be live."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
from optuna.trial import FrozenTrial, TrialState

from search.doctor.finding import CheckStatus, Finding, checked, failed, merged, passed, warned
from search.doctor.trial_files import check_checkpoint, check_epochs
from search.plan.difference import differences
from search.plan.plan import Plan, PlanError
from search.records import schema
from search.records.confirmation import read_confirmation
from search.records.folder import RunFolder
from search.records.history import plan_versions, sessions_of, status_of
from search.records.journal import JournalDamaged, check_journal
from search.records.lease import Owner
from search.records.lock import owner_of
from search.records.stored_study import StoredStudy
from search.records.sweep import read_openings
from search.records.trial import RunDamaged, check_consistent, reading, trial_of
from search.records.typed import typed
from search.records.warm_start import WarmStart
from trainable.contract import is_built_in
from trainable.errors import BenchsweepError
from trainable.storage.checkpoint import previous
from trainable.storage.record_file import NotARecord, read_record

_RETRY_AFTER = 0.5
"""Seconds before a failed check of a live run is repeated: its files are written one after the other, and
may disagree for a moment."""

_SPARE_LIMIT = 100 * 10**6
"""Bytes of unneeded files above which the folder gets a WARN."""

_FROM_COPY = "restore it from a copy"


def inspect(run: RunFolder) -> Iterator[Finding]:
    """Yield the findings on one run. The time grows linearly with its trials and checkpoints."""
    try:
        owner = owner_of(run.lock)
    except (BenchsweepError, OSError):
        owner = None  # the check of the owner reports it
    yield _with_retry("owner", owner, lambda: _owner(run, owner_of(run.lock)))
    journal = _with_retry("journal", owner, lambda: _journal(run, owner))
    yield journal
    study = StoredStudy()
    checks: dict[str, _Check] = {"plan": _plan, "warm start": _warm_start}
    if journal.verdict is not CheckStatus.FAIL:
        study, checks = StoredStudy.read(run.journal), checks | _CHECKS
        run = replace(run, storage=study.attributes.get(schema.STORAGE))
    checks["folder"] = _folder
    for name, check in checks.items():

        def against(study: StoredStudy, check: _Check = check) -> Finding:
            return check(run, study, owner)

        yield _with_retry(name, owner, lambda: against(study), lambda: against(StoredStudy.read(run.journal)))


def _best(study: StoredStudy) -> FrozenTrial | None:
    """The COMPLETE trial with the best score, the earliest of several."""
    complete = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    sign = study.metric.sign
    return min(complete, key=lambda trial: (-sign * (trial.value or 0.0), trial.number), default=None)


def _with_retry(
    name: str, owner: Owner | None, first: Callable[[], Finding], again: Callable[[], Finding] | None = None
) -> Finding:
    """The check's finding. In a live run, a check that did not pass is repeated once."""
    finding = checked(name, first)
    if owner is not None and finding.verdict is not CheckStatus.PASS:
        time.sleep(_RETRY_AFTER)
        finding = checked(name, again or first)
    return finding


def _owner(run: RunFolder, owner: Owner | None) -> Finding:
    request = run.stop_request
    age = time.time() - request.stat().st_mtime if request.exists() else None
    if owner is None:
        if age is not None:
            message = f"no process runs it, but {request} asks it to stop"
            return warned("owner", message, "none is needed: the next start removes the file")
        return passed("owner", "no process runs it")
    running = f"process {owner.pid} on {owner.host} runs it, since {owner.since}"
    if owner.host == socket.gethostname() and owner.pid and not psutil.pid_exists(owner.pid):
        return warned(
            "owner",
            f"{run.lock} is locked, but process {owner.pid}, which it names, no longer exists",
            f"`fuser {run.lock}` shows which process holds it, possibly a child of the one it names",
        )
    if age is not None and age > 60:
        return warned(
            "owner",
            f"{running}, and was asked to stop {age:,.0f} s ago",
            f"`kill {owner.pid}` on {owner.host} asks again; a second `kill` ends it at once",
        )
    return passed("owner", running)


def _plan(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    try:
        plan = read_plan(run)
        plan.check_searchable(str(run.plan))
    except PlanError as error:
        return failed("plan", "; ".join(error.faults), "restore plan.toml from a copy")
    message = f"it searches {len(plan.space.settings)} hyperparameters of {plan.trainable}"
    if not is_built_in(plan.trainable):
        message += ", which was not imported to check them"
    versions = plan_versions(study.attributes)
    if versions and (changes := differences(versions[-1].table, plan.to_table())):
        message += f"; plan.toml was edited since the last start: {'; '.join(changes)}"
    return passed("plan", message)


def _warm_start(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    try:
        source = WarmStart.read_from(run.warm_start)
    except (RunDamaged, NotARecord) as error:
        return failed("warm start", error.message, f"{_FROM_COPY}: the run cannot be resumed without it")
    if source is not None:
        return passed("warm start", f"the sampler starts with {len(source.trials):,} trials of {source.run}")
    if schema.WARM_START in study.attributes:
        message = f"{run.warm_start} is missing, but the run was started with it"
        return warned("warm start", message, f"{_FROM_COPY}: without it the sampler has fewer trials")
    return passed("warm start", "the run was started without one")


def _journal(run: RunFolder, owner: Owner | None) -> Finding:
    if not (run.journal.exists() or run.journal.is_symlink()):
        if any((run.path / "trials").glob("[0-9]*")):
            message = f"{run.journal} is missing, but there are trial folders"
            return failed("journal", message, "restore it from a copy of the run")
        return passed("journal", "none: the run was never started")
    try:
        journal = check_journal(run.journal)
    except JournalDamaged as error:
        return failed("journal", error.message, error.advice or _FROM_COPY)
    with reading(run.journal):
        _read_all(run, StoredStudy.read(run.journal))
    if torn := journal.size - journal.complete:
        if owner is None:
            advice = "none is needed: the next start removes the line, and repeats what it recorded"
            return warned("journal", f"it ends in an incomplete line of {torn:,} bytes", advice)
        return passed("journal", f"{journal.lines:,} complete lines, and one that is being written")
    return passed("journal", f"{journal.lines:,} complete lines in {_size(journal.size)}")


def _read_all(run: RunFolder, study: StoredStudy) -> None:
    """Raises what records of the wrong shape in the study raise; the trials' files are checked elsewhere."""
    sessions, _ = sessions_of(study.attributes), plan_versions(study.attributes)
    nowhere = RunFolder(run.path / "nowhere")
    trials = [trial_of(nowhere, trial, alive=False) for trial in study.trials]
    check_consistent(trials, len(sessions) or len(schema.ENVIRONMENTS.read(study.attributes)))
    typed(study.metric)


def _confirmation(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    """Whether the confirmation can be read, and its reruns' files agree with its journal."""
    inner = run.confirmation
    if not inner.path.exists():
        return passed("confirmation", "none: it was not begun")
    journal = _journal(inner, owner)
    if journal.verdict is CheckStatus.FAIL:
        return replace(journal, name="confirmation")
    reruns = StoredStudy.read(inner.journal)
    with reading(inner.journal):
        trials = [trial_of(inner, trial, owner is not None) for trial in reruns.trials]
        read_confirmation(reruns.attributes, trials, reruns.metric)
    faults = [
        fault
        for trial in reruns.trials
        for fault in check_epochs(inner, trial, reruns.metric, owner is not None)
    ]
    faults += [journal] if journal.verdict is not CheckStatus.PASS else []
    return merged("confirmation", f"{len(reruns.trials):,} reruns, whose files and journal agree", faults)


def _trials(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    numbers = [trial.number for trial in study.trials]
    total = len(numbers)
    faults = []
    if numbers != list(range(total)):
        wrong = next(number for index, number in enumerate(numbers) if number != index)
        message = f"trials must be numbered 0 to {total - 1}, each once, but {wrong} is out of order"
        faults.append(failed("trials", message, "restore the journal from a copy"))
    folder = run.path / "trials"
    names = [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []
    unrecorded = sorted(int(name) for name in names if name.isdigit() and int(name) >= total)
    if unrecorded:
        message = (
            f"{len(unrecorded):,} trials, the first of them {unrecorded[0]}, have a folder but are not in "
            f"the journal"
        )
        advice = "restore the latest journal; with this one, resuming trains these trials again"
        faults.append(warned("trials", message, advice))
    versions, settled = plan_versions(study.attributes), study.attributes.get(schema.SETTLED, -1)
    status = status_of(owner is not None, sessions_of(study.attributes), versions, settled)
    planned = _planned_trials(run)
    count = f"{total:,} trials" if planned is None else f"{total:,} of {planned:,} trials"
    if planned is not None and total > planned:
        message = f"there are {total:,} trials, but the budget allows {planned:,}"
        faults.append(warned("trials", message, "none is needed if the budget was reduced since"))
    return merged("trials", f"{count}, numbered without a gap; the run is {status}", faults)


def read_plan(run: RunFolder) -> Plan:
    """The plan of a run. It is checked against its trainable only if that is one of ours: a run may come from
    anywhere, and reading it must not run its code. Raises PlanError, and NotARecord or OSError if there is no
    such file."""
    with suppress(UnicodeDecodeError):  # which is a fault of the plan like any other
        read_record(run.plan)
    plan = Plan.read_unfitted(run.plan)
    return Plan.read(run.plan) if is_built_in(plan.trainable) else plan


def _planned_trials(run: RunFolder) -> int | None:
    try:
        return read_plan(run).budget.trials
    except (PlanError, NotARecord, OSError):
        return None  # the check of the plan reports it


def _epochs(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    metric = study.metric
    trained = [trial for trial in study.trials if schema.SAME_AS not in trial.user_attrs]
    faults = [fault for trial in trained for fault in check_epochs(run, trial, metric, owner is not None)]
    count = sum(len(trial.intermediate_values) for trial in trained)
    message = f"the files and the journal agree on {count:,} epochs of {len(trained):,} trials"
    return merged("epochs", message, faults)


def _checkpoints(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    best = _best(study)
    faults: list[Finding] = []
    count = 0
    for trial in study.trials:
        interrupted = trial.state is TrialState.RUNNING and owner is None and trial.intermediate_values
        complete = trial.state is TrialState.COMPLETE and schema.SAME_AS not in trial.user_attrs
        if interrupted or complete:
            count += 1
            is_best = best is not None and trial.number == best.number
            faults += check_checkpoint(run, trial, study.metric, is_best)
    message = f"all {count:,} trials that are complete or interrupted have a valid checkpoint"
    return merged("checkpoints", message, faults)


def _openings(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    try:
        with reading(run.openings):
            openings = read_openings(run)
    except (RunDamaged, NotARecord) as error:
        return failed(
            "openings", error.message, f"{_FROM_COPY}: it records how often the test set was opened"
        )
    if not openings:
        return passed("openings", "the test set was not opened")
    faults = []
    complete = {trial.number for trial in study.trials if trial.state is TrialState.COMPLETE}
    unknown = {look.trial for opening in openings for look in opening.looks} - complete - {None}
    for number in sorted(unknown, key=str):
        message = f"the test set was opened for trial {number}, which is not a complete trial of this run"
        advice = "journal and openings belong to different runs: restore both from the same copy"
        faults.append(failed("", message, advice))
    if owner is None and openings and not any(opening.complete for opening in openings):
        opening = openings[-1]
        message = (
            f"the test set was opened at {opening.time.isoformat()}, but the results of "
            f"{len(opening.looks)} of {opening.models} models are recorded"
        )
        advice = f"`benchsweep resume {run.reference}` continues it, with the models that are missing"
        faults.append(warned("", message, advice))
    times = f"{len(openings)} time{'s' if len(openings) != 1 else ''}"
    return merged("openings", f"the test set was opened {times}, for trials of this run", faults)


def _folder(run: RunFolder, study: StoredStudy, owner: Owner | None) -> Finding:
    """The size of the folder, and of the files in it that are no longer needed."""
    size = count = 0
    spare: dict[str, int] = {}
    pruned = [trial.number for trial in study.trials if trial.state is TrialState.PRUNED]
    checkpoints = [path for number in pruned if isinstance(path := run.trial(number).checkpoint, Path)]
    unneeded = {*checkpoints, *map(previous, checkpoints)}
    for root, _, names in os.walk(run.path):
        for name in names:
            path = Path(root, name)
            try:
                stat = path.lstat()
            except FileNotFoundError:  # replaced meanwhile
                continue
            size, count = size + stat.st_size, count + 1
            if name.startswith(".") and name.endswith(".tmp") and owner is None:
                kind = "temporary files"
            elif path in unneeded:
                kind = "checkpoints of pruned trials"
            elif owner is None and path.is_relative_to(run.engine):
                kind = "Ray's files"
            else:
                continue
            spare[kind] = spare.get(kind, 0) + stat.st_size
    message = f"{_size(size)} in {count:,} files"
    if spare:
        kinds = ", ".join(f"{kind} ({_size(total)})" for kind, total in spare.items())
        message += f", of which not needed: {kinds}"
    if sum(spare.values()) > _SPARE_LIMIT:
        return warned("folder", message, "delete the files that are not needed while no process runs it")
    return passed("folder", message)


def _size(size: int) -> str:
    return f"{size / 10**6:,.1f} MB" if size >= 10**5 else f"{size / 10**3:,.1f} kB"


_Check = Callable[[RunFolder, StoredStudy, Owner | None], Finding]
_CHECKS: dict[str, _Check] = {
    "trials": _trials,
    "epochs": _epochs,
    "checkpoints": _checkpoints,
    "openings": _openings,
    "confirmation": _confirmation,
}
