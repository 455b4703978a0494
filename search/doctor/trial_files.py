"""Whether what one trial left holds what the journal says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from optuna.trial import FrozenTrial, TrialState

from search.doctor.finding import Finding, failed, warned
from search.records.folder import RunFolder
from trainable.epoch import Epoch
from trainable.storage.checkpoint import latest
from trainable.storage.remote import RemoteFolder

_PATIENCE = 5.0
"""Seconds to wait for remote storage, of each checkpoint."""


def epochs_of(run: RunFolder, trial: FrozenTrial, metric: str, live: bool) -> Iterator[Finding]:
    """Where a trial's epochs.jsonl and the journal part. metric: its name. live: whether the run is
    searched, so that the file may be younger than the journal that was read."""
    values, path = trial.intermediate_values, run.trial(trial.number).epochs
    reported = len(values)
    if sorted(values) != list(range(1, reported + 1)):
        told = f"trial {trial.number} must have epochs 1 to {reported} in the journal"
        told += f", but has {_some(sorted(values))}"
        yield failed("", told, "restore the journal from a copy")
        return
    try:
        stored = [Epoch.from_json(json.loads(line)) for line in path.read_text().splitlines()]
    except FileNotFoundError:
        if reported:
            yield warned(
                "", f"{path} is missing", "the score is in the journal; other figures of it are lost"
            )
        return
    except Exception as error:  # whatever is in the file, it is not what was written there
        told = f"{path} is not what was written there ({type(error).__name__}: {error})"
        yield failed("", told, "restore it from a copy, or delete it: the score is in the journal")
        return
    numbers = [epoch.number for epoch in stored]
    unfinished = trial.state is TrialState.RUNNING
    # An epoch is stored before it is reported, and a trial may be cut off between the two.
    cut_off = unfinished or trial.state is TrialState.FAIL or "abandoned" in trial.user_attrs
    ahead = len(stored) - reported
    differing = [
        epoch.number
        for epoch in stored
        if epoch.number in values and epoch.metrics.get(metric) != values[epoch.number]
    ]
    if numbers != list(range(1, len(stored) + 1)):
        told = f"{path} must hold epochs 1 to {len(stored)}, but holds {_some(numbers)}"
        yield failed("", told, "restore it from a copy, or delete it: the score is in the journal")
    elif ahead < 0 or (ahead > cut_off and not (unfinished and live)):
        told = f"trial {trial.number} has {len(stored)} epochs in its file and {reported} in the journal"
        yield warned("", told, "the journal counts")
    elif differing:
        told = f"trial {trial.number} has another {metric} in its file than in the journal"
        told += f", first in epoch {differing[0]}"
        # After a damaged checkpoint an epoch is trained again, elsewhere perhaps to other bits.
        if trial.user_attrs.get("notes"):
            yield warned(
                "", told, f"its notes may tell why: `benchsweep show {run.reference} {trial.number}`"
            )
        else:
            yield failed("", told, "one of the two was changed: restore both from one copy")


def _some(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown}, …" if len(numbers) > 8 else shown or "none"


def checkpoint_of(run: RunFolder, trial: FrozenTrial, best: bool) -> Iterator[Finding]:
    """What is wrong with the checkpoint of a trial that is COMPLETE or interrupted: it must hold the
    epochs that are on record. best: whether the trial is the best one, whose model matters most."""
    recipe = trial.user_attrs.get("recipe")
    path = run.trial(trial.number).checkpoint
    if isinstance(path, RemoteFolder):
        path = path.within(_PATIENCE)
    found, faults = latest(path, None if recipe is None else json.dumps(recipe))
    stored, reported = len(found.epochs) if found else 0, len(trial.intermediate_values)
    why = "; ".join(faults) or f"{path} {'is behind' if found else 'is missing'}"
    if trial.state is TrialState.RUNNING:
        if stored >= reported and not faults:
            return
        again = reported - stored
        if stored == 0:
            loss = "it starts again from epoch 1"
        elif again > 0:
            loss = f"{again} epoch{'s' if again > 1 else ''} will be trained again"
        else:
            loss = "nothing of it is lost"
        yield warned("", f"trial {trial.number}: {why}; {loss}", "none: resumed, it goes on by itself")
    elif stored < reported:
        again_by = f"`benchsweep reproduce {run.reference} {trial.number}` trains it again and compares"
        told = f"trial {trial.number} is {'the best' if best else 'complete'}, but its model is gone: {why}"
        yield failed("", told, again_by) if best else warned("", told, again_by)
