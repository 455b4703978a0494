"""One recorded trial again: the same recipe in this process, without Ray, compared to the bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from search.environment import environment
from search.folder import RunFolder
from search.plan import Plan
from search.records import Sweep, Trial
from trainable.checkpoint import latest
from trainable.epoch import Epoch


@dataclass(frozen=True)
class Reproduction:
    """What training a trial's recipe again came to.

    trial: its number. epochs: how many were compared. differences: a sentence for each figure or
    weight that is not the recorded one to the bit; none when it was reproduced.
    weights_compared: whether the trained weights were still on disk to compare with.
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

    Raises LookupError when there is no such trial or it has no epoch, and what the trainable's
    Source raises (DataError).
    """
    sweep = Sweep.read(run.path)
    trial = _trial(sweep, number)
    plan = Plan.read(run.plan)
    data = plan.source.load(data_folder)  # type: ignore[attr-defined]
    module, then = plan.trainable_module, sweep.environment
    recipe = module.Recipe.model_validate(trial.recipe)
    training = module.Training(recipe, data, str(then["device"]), int(then["threads"]))
    differences = []
    for recorded, epoch in zip(trial.epochs, training, strict=False):
        yield epoch
        differences += [
            f"epoch {epoch.number}: {name} was {value!r}, now {epoch.metrics.get(name)!r}"
            for name, value in recorded.metrics.items()
            if epoch.metrics.get(name) != value
        ]
    stored, _ = latest(run.trial(number).checkpoint)
    comparable = stored is not None and len(stored.epochs) == len(trial.epochs)
    if stored is not None and comparable:
        differences += _different(stored.state, training.state_dict())
    now = environment(getattr(data, "fingerprint", None))
    yield Reproduction(
        trial=number,
        epochs=len(trial.epochs),
        differences=tuple(differences),
        weights_compared=comparable,
        conditions=tuple(_conditions(then, now)),
    )


def _trial(sweep: Sweep, number: int) -> Trial:
    if not 0 <= number < len(sweep.trials):
        raise LookupError(f"a trial of {sweep.name} has a number below {len(sweep.trials)}, but got {number}")
    trial = sweep.trials[number]
    if not trial.epochs:
        raise LookupError(f"trial {number} of {sweep.name} has no epoch on record to compare with")
    return trial


def _different(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    names = [
        name for name in recorded if name not in found or not np.array_equal(recorded[name], found[name])
    ]
    return [f"after the last epoch: {name} is not the recorded one to the bit" for name in names]


def _conditions(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What can change the bits, and is not as it was."""
    for name in ("processor", "data_sha256", "commit"):
        if then.get(name) != now.get(name):
            yield f"{name} was {then.get(name)}, now {now.get(name)}"
    versions = then.get("versions", {})
    for name in ("torch", "numpy", "scikit-learn"):
        if versions.get(name) != now["versions"].get(name):
            yield f"{name} was {versions.get(name)}, now {now['versions'].get(name)}"
