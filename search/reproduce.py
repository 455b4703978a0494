"""One recorded trial again: the same recipe in this process, without Ray, compared to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.environment import environment
from search.folder import RunFolder
from search.records import Sweep, Trial
from search.start import plan_of
from trainable.checkpoint import latest
from trainable.contract import TrainingRun
from trainable.epoch import Epoch


class CannotReproduce(RuntimeError):
    """The trial cannot be trained again as it was; says why."""


@dataclass(frozen=True)
class Reproduction:
    """What training a trial's recipe again came to.

    trial: its number. epochs: how many were compared. differences: a sentence for each figure or
    weight that is not the recorded one to the bit; none when it was reproduced.
    weights_compared: whether the trained weights could be compared: pruned trials keep none.
    conditions: what is otherwise than it was then, a sentence each; reasons why it may differ.
    """

    trial: int
    epochs: int
    differences: tuple[str, ...]
    weights_compared: bool
    conditions: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether everything was the same to the bit."""
        return not self.differences


def reproduce(run: RunFolder, number: int, data_folder: Path) -> Iterator[Epoch | Reproduction]:
    """Train trial `number` again as far as it came, on the device and threads it had. Yields its
    epochs, and a Reproduction at the end.

    Raises CannotReproduce, and what the trainable's Source raises (DataError).
    """
    sweep = Sweep.read(run.path)
    trial = _trial(sweep, number)
    plan = plan_of(sweep)
    data = plan.source.load(data_folder)
    module, then = plan.trainable_module, sweep.sessions[trial.session or 0].environment
    if "device" not in then:
        raise CannotReproduce(f"the device and threads of trial {number} must be on record, but are not")
    recipe = module.Recipe.model_validate(trial.recipe)
    try:
        training = module.Training(recipe, data, str(then["device"]), int(then["threads"]))
    except (RuntimeError, AssertionError) as error:  # torch says in several ways that a device is missing
        reason = str(error).strip().splitlines()[0]
        raise CannotReproduce(
            f"trial {number} was trained on {then['device']}, which cannot be used here: {reason}"
        ) from error
    differences = []
    for recorded, epoch in zip(trial.epochs, training, strict=False):
        yield epoch
        differences += [
            f"epoch {epoch.number}: {name} was {value!r}, now {epoch.metrics.get(name)!r}"
            for name, value in recorded.metrics.items()
            if epoch.metrics.get(name) != value
        ]
    recorded_weights = _recorded_weights(run, trial, module.Training(recipe, data, "cpu", 1))
    found_weights = getattr(training, "weights_sha256", None)
    if recorded_weights not in (None, found_weights):
        differences.append(f"the weights' SHA-256 was {recorded_weights}, now {found_weights}")
    now = environment(getattr(data, "fingerprint", None), plan.trainable)
    yield Reproduction(
        trial=number,
        epochs=len(trial.epochs),
        differences=tuple(differences),
        weights_compared=recorded_weights is not None,
        conditions=tuple(_conditions(then, now)),
    )


def _trial(sweep: Sweep, number: int) -> Trial:
    for trial in sweep.trials:
        if trial.number == number and trial.epochs:
            return trial
    raise CannotReproduce(
        f"a trial that is reproduced has an epoch on record to compare with, but trial {number} of "
        f"{sweep.name} has none; `benchsweep show {RunFolder(sweep.folder).reference} {number}` tells what "
        f"became of it"
    )


def _recorded_weights(run: RunFolder, trial: Trial, fresh: TrainingRun) -> str | None:
    """The SHA-256 of the weights that the trial ended with; None where they are gone, or where the
    trainable has no `weights_sha256` to tell them by. `fresh`: a training to load them into."""
    stored, _ = latest(run.trial(trial.number).checkpoint, json.dumps(trial.recipe))
    if stored is None or len(stored.epochs) != len(trial.epochs):
        return None
    fresh.load_state_dict(stored.state)
    return getattr(fresh, "weights_sha256", None)


def _conditions(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What can change the bits, and is not as it was."""
    for name in ("processor", "data_sha256", "trainable_sha256", "commit"):
        if then.get(name) != now.get(name):
            yield f"{name} was {then.get(name)}, now {now.get(name)}"
    versions = then.get("versions", {})
    for name in ("torch", "numpy", "scikit-learn"):
        if versions.get(name) != now["versions"].get(name):
            yield f"{name} was {versions.get(name)}, now {now['versions'].get(name)}"
