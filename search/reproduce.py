"""One recorded training again: the same recipe in this process, without Ray, compared to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from search.plan.plan import Plan
from search.records.confirmation import candidate_name
from search.records.environment import environment
from search.records.sweep import Sweep, Trial
from trainable.contract import Metric, TrainingRun, recipe_sha256
from trainable.epoch import Epoch
from trainable.errors import BenchsweepError
from trainable.storage.checkpoint import CheckpointLocation, latest

SHARE_TOLERANCE, RELATIVE_TOLERANCE = 0.005, 0.05
"""How far the last score may lie from the recorded one under other conditions: half a point of a share,
a twentieth of any other metric. Rounding that differs in the last bit grows, over the epochs, to about
what another seed does."""


class CannotReproduce(BenchsweepError, RuntimeError):
    """The trial cannot be trained again as it was; says why."""


@dataclass(frozen=True)
class Original:
    """A training on record. name: "trial 12", with its seed where it is a rerun. recipe: whole.
    epochs: as recorded. recipe_sha256, weights_sha256: of what was trained; None where not recorded.
    environment: what it was trained on; holds device and threads. folder: its trial's, where a checkpoint
    may lie; None for a record without one."""

    name: str
    recipe: Mapping[str, Any]
    epochs: tuple[Epoch, ...]
    recipe_sha256: str | None
    weights_sha256: str | None
    environment: Mapping[str, Any]
    checkpoint: CheckpointLocation | None = None

    @classmethod
    def of(
        cls,
        trial: Trial,
        name: str,
        environment: Mapping[str, Any],
        checkpoint: CheckpointLocation | None = None,
    ) -> Original:
        """What is on record of a trial."""
        return cls(
            name,
            trial.recipe,
            trial.epochs,
            trial.recipe_sha256,
            trial.weights_sha256,
            environment if trial.device is None else {**environment, "device": trial.device},
            checkpoint,
        )


@dataclass(frozen=True)
class Changes:
    """What is to be otherwise than it was, on purpose; None leaves it. tolerance: see `Reproduction`."""

    device: str | None = None
    threads: int | None = None
    seed: int | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Reproduction:
    """What training a recipe again came to.

    name: of the original. epochs: how many were compared. differences: a sentence for each figure or
    weight that is not the recorded one to the bit. weights_compared: whether the trained weights could
    be compared: pruned trials keep none. conditions: what is otherwise than it was then, a sentence
    each: reasons why it may differ. faults: what is wrong with the record itself, a sentence each.
    score, recorded: the metric after the last epoch, now and then. tolerance: how far apart the two
    may be where conditions differ, in the metric's unit.
    """

    name: str
    epochs: int
    differences: tuple[str, ...]
    weights_compared: bool
    conditions: tuple[str, ...]
    faults: tuple[str, ...]
    score: float
    recorded: float
    tolerance: float

    @property
    def exact(self) -> bool:
        """Whether everything was the same to the bit."""
        return not self.differences

    @property
    def outcome(self) -> Literal["exact", "close", "different"]:
        """exact: the same to the bit. close: under the conditions named, the last score is within the
        tolerance. different: anything else, or a record that contradicts itself."""
        if self.faults:
            return "different"
        if self.exact:
            return "exact"
        near = abs(self.score - self.recorded) <= self.tolerance
        return "close" if self.conditions and near else "different"


_NONE = Changes()


def original(sweep: Sweep, number: int) -> Original:
    """Trial `number` of a run. Raises CannotReproduce when there is nothing on record to compare with."""
    run = sweep.run
    for trial in sweep.trials:
        if trial.number == number and trial.epochs:
            then = sweep.sessions[trial.session or 0].environment
            return Original.of(trial, f"trial {number}", then, run.trial(number).checkpoint)
    raise CannotReproduce(
        f"a trial that is reproduced has an epoch on record to compare with, but trial {number} of "
        f"{sweep.name} has none; `benchsweep show {run.reference} {number}` tells what became of it"
    )


def reruns(sweep: Sweep, number: int | None, seeds: int) -> list[Original]:
    """The first `seeds` reruns of trial `number`, or for None of the plan's default recipe, in the run's
    confirmation. Raises CannotReproduce when there are not so many."""
    confirmation, name = sweep.confirmation, candidate_name(number)
    if seeds and confirmation is None:
        raise CannotReproduce(
            f"--seeds {seeds} asks for reruns of {name}, but {sweep.name} has no confirmation",
            f"`benchsweep confirm {sweep.run.reference} --seeds {seeds}` trains them",
        )
    if confirmation is None:
        return []
    complete = [
        rerun
        for candidate in confirmation.candidates
        if candidate.trial == number
        for rerun in candidate.complete
    ]
    if len(complete) < seeds:
        raise CannotReproduce(
            f"--seeds {seeds} asks for reruns of {name}, but the confirmation of {sweep.name} has "
            f"{len(complete)}",
            f"`benchsweep confirm {sweep.run.reference} --seeds {seeds}` trains them, if it is the default "
            f"recipe or one of the best trials",
        )
    return [
        Original.of(
            rerun,
            f"{name} with seed {rerun.recipe['seed']}",
            confirmation.environments[rerun.session or 0],
            sweep.run.confirmation.trial(rerun.number).checkpoint,
        )
        for rerun in complete[:seeds]
    ]


def reproduce(
    plan: Plan, recorded: Original, data_folder: Path, changes: Changes = _NONE
) -> Iterator[Epoch | Reproduction]:
    """Train what is on record again, as far as it came, on the device and threads it had, unless
    `changes` says otherwise. Yields its epochs, and a Reproduction at the end.

    Raises CannotReproduce, and what the trainable's Source raises (DataError).
    """
    data = plan.source.load(data_folder)
    module, then = plan.trainable_module, recorded.environment
    if "device" not in then:
        raise CannotReproduce(f"the device and threads of {recorded.name} must be on record, but are not")
    device, threads = changes.device or str(then["device"]), changes.threads or int(then["threads"])
    wanted = dict(recorded.recipe)
    if changes.seed is not None:
        wanted["seed"] = changes.seed
    recipe = module.Recipe.model_validate(wanted)
    try:
        training = module.Training(recipe, data, device, threads)
    except (RuntimeError, AssertionError) as error:  # torch says in several ways that a device is missing
        reason = str(error).strip().splitlines()[0]
        raise CannotReproduce(
            f"{recorded.name} is to be trained on {device}, which cannot be used here: {reason}; "
            f"--device names another one"
        ) from error
    differences, score = [], 0.0
    for known, epoch in zip(recorded.epochs, training, strict=False):
        yield epoch
        score = epoch.metrics[plan.metric.name]
        differences += [
            f"epoch {epoch.number}: {name} was {value!r}, now {epoch.metrics.get(name)!r}"
            for name, value in known.metrics.items()
            if epoch.metrics.get(name) != value
        ]
    figures_same = not differences
    weights = _recorded_weights(recorded, module.Training(recipe, data, "cpu", 1))
    found = getattr(training, "weights_sha256", None)
    if weights not in (None, found):
        differences.append(f"the weights' SHA-256 was {weights}, now {found}")
    now = {
        **environment(getattr(data, "fingerprint", None), plan.trainable),
        "device": device,
        "threads": threads,
        "seed": wanted.get("seed"),
    }
    conditions = tuple(_conditions({**then, "seed": recorded.recipe.get("seed")}, now))
    last = recorded.epochs[-1].metrics[plan.metric.name]
    yield Reproduction(
        name=recorded.name,
        epochs=len(recorded.epochs),
        differences=tuple(differences),
        weights_compared=weights is not None,
        conditions=conditions,
        faults=tuple(_faults(recorded, differences, conditions, figures_same)),
        score=score,
        recorded=last,
        tolerance=_tolerance(plan.metric, last) if changes.tolerance is None else changes.tolerance,
    )


def _faults(
    recorded: Original, differences: list[str], conditions: tuple[str, ...], figures_same: bool
) -> Iterator[str]:
    """What must be wrong with the record, if anything."""
    sealed = recorded.recipe_sha256
    if sealed not in (None, found := recipe_sha256(recorded.recipe)):
        yield (
            f"the recipe on record (seed {recorded.recipe.get('seed')}) is not the one that was trained: its "
            f"SHA-256 was {sealed}, and is {found}"
        )
    elif differences and figures_same:
        yield (
            "every figure is the same to the bit, so the recorded SHA-256 of the weights is not that of this "
            "training: it was changed, or the weights were"
        )
    elif differences and not conditions:
        yield "nothing is known to be otherwise than it was, so the figures on record are of another training"


def _tolerance(metric: Metric, score: float) -> float:
    return SHARE_TOLERANCE if metric.unit == "share" else RELATIVE_TOLERANCE * abs(score)


def _recorded_weights(recorded: Original, fresh: TrainingRun) -> str | None:
    """The SHA-256 of the weights that the training ended with; None where it was not recorded, or where
    the trainable has no `weights_sha256` to tell them by. `fresh`: a training to load them into."""
    if recorded.weights_sha256 is not None or recorded.checkpoint is None:
        return recorded.weights_sha256
    stored, _ = latest(recorded.checkpoint, json.dumps(recorded.recipe))
    if stored is None or len(stored.epochs) != len(recorded.epochs):
        return None
    fresh.load_state_dict(stored.state)
    return getattr(fresh, "weights_sha256", None)


def _conditions(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What can change the bits, and is not as it was."""
    for name in ("seed", "device", "threads", "processor", "data_sha256", "trainable_sha256", "commit"):
        if then.get(name) != now.get(name):
            yield f"{name} was {then.get(name)}, now {now.get(name)}"
    versions = then.get("versions", {})
    for name in ("torch", "numpy", "scikit-learn"):
        if versions.get(name) != now["versions"].get(name):
            yield f"{name} was {versions.get(name)}, now {now['versions'].get(name)}"
