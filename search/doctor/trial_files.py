"""Whether the files of one trial agree with the journal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState

from search.doctor.finding import Finding, failed, warned
from search.records import schema
from search.records.folder import RunFolder
from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.storage.checkpoint import best_of, latest
from trainable.storage.epochs import EpochLog
from trainable.storage.remote import RemoteFolder

_REMOTE_TIMEOUT = 5.0
"""Seconds to wait for each checkpoint in remote storage."""
_RESTORE_EPOCHS = "restore it from a copy, or delete it: the journal has the score"


def check_epochs(run: RunFolder, trial: FrozenTrial, metric: Metric, live: bool) -> Iterator[Finding]:
    """Differences between a trial's epochs.jsonl and the journal.

    live: whether the search is running, in which case the file may be newer
    than the journal that was read.
    """
    values, path = trial.intermediate_values, run.trial(trial.number).epochs
    reported = len(values)
    if sorted(values) != list(range(1, reported + 1)):
        message = (
            f"trial {trial.number} must have epochs 1 to {reported} in the journal, but has "
            f"{_numbers(sorted(values))}"
        )
        yield failed("", message, "restore the journal from a copy")
        return
    try:
        epochs = EpochLog(path.parent).read()
    except FileNotFoundError:
        if reported:
            yield warned("", f"{path} is missing", "the journal has the score; the other metrics are lost")
        return
    except Exception as error:  # any error means that the file was changed
        message = f"{path} cannot be read ({type(error).__name__}: {error})"
        yield failed("", message, _RESTORE_EPOCHS)
        return
    stored = [epoch.number for epoch in epochs]
    running = trial.state is TrialState.RUNNING
    # An epoch is stored before it is reported, and a trial may end between the two.
    cut_off = running or trial.state is TrialState.FAIL or schema.ABANDONED in trial.user_attrs
    ahead = len(stored) - reported
    differing = [
        epoch.number
        for epoch, score in zip(epochs, _scores(metric, epochs), strict=True)
        if epoch.number in values and score != values[epoch.number]
    ]
    if stored != list(range(1, len(stored) + 1)):
        message = f"{path} must hold epochs 1 to {len(stored)}, but holds {_numbers(stored)}"
        yield failed("", message, _RESTORE_EPOCHS)
    elif ahead < 0 or (ahead > cut_off and not (running and live)):
        message = f"trial {trial.number} has {len(stored)} epochs in its file and {reported} in the journal"
        yield warned("", message, "none is needed: the search uses the journal")
    elif differing:
        message = (
            f"the {metric.name} of trial {trial.number} differs between its file and the journal, first in "
            f"epoch {differing[0]}"
        )
        # After a damaged checkpoint an epoch is trained again, possibly on another machine.
        if trial.user_attrs.get(schema.NOTES):
            notes = f"the trial's notes may explain it: `benchsweep show {run.reference} {trial.number}`"
            yield warned("", message, notes)
        else:
            yield failed("", message, "one of them was changed: restore both from the same copy")


def _scores(metric: Metric, epochs: Sequence[Epoch]) -> Sequence[float | None]:
    """The score of the trial after each epoch; None for all of them if one lacks the metric."""
    complete = all(metric.name in epoch.metrics for epoch in epochs)
    return metric.scores(epochs) if complete else [None] * len(epochs)


def _numbers(numbers: list[int]) -> str:
    text = ", ".join(map(str, numbers[:8]))
    return f"{text}, …" if len(numbers) > 8 else text or "none"


def check_checkpoint(run: RunFolder, trial: FrozenTrial, metric: Metric, best: bool) -> Iterator[Finding]:
    """Faults of the checkpoint of a COMPLETE or interrupted trial: it must hold all recorded epochs, or those
    up to the one that gives a COMPLETE trial its score.

    best: whether it is the best trial, whose model the run needs.
    """
    recipe = trial.user_attrs.get(schema.RECIPE)
    path = run.trial(trial.number).checkpoint
    if isinstance(path, RemoteFolder):
        path = path.with_timeout(_REMOTE_TIMEOUT)
    values = trial.intermediate_values
    reported = len(values)
    if metric.take == "best" and trial.state is TrialState.COMPLETE and values:
        path, reported = best_of(path), min(step for step in values if values[step] == values[max(values)])
    checkpoint, faults = latest(path, None if recipe is None else json.dumps(recipe))
    stored = len(checkpoint.epochs) if checkpoint else 0
    why = "; ".join(faults) or f"{path} {'has too few epochs' if checkpoint else 'is missing'}"
    if trial.state is TrialState.RUNNING:
        if stored >= reported and not faults:
            return
        lost = reported - stored
        if stored == 0:
            loss = "it starts again from epoch 1"
        elif lost > 0:
            loss = f"{lost} epoch{'s' if lost > 1 else ''} will be trained again"
        else:
            loss = "no epoch is lost"
        message = f"trial {trial.number}: {why}; {loss}"
        yield warned("", message, f"none is needed: `benchsweep resume {run.reference}` continues the trial")
    elif stored < reported:
        kind = "the best" if best else "complete"
        message = f"trial {trial.number} is {kind}, but its model is lost: {why}"
        advice = f"`benchsweep reproduce {run.reference} {trial.number}` trains it again and compares"
        yield failed("", message, advice) if best else warned("", message, advice)
