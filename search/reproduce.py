"""One recorded training again: the same recipe in this process, without Ray, compared to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
from trainable.record import from_record
from trainable.storage.checkpoint import CheckpointLocation, latest

SHARE_TOLERANCE, RELATIVE_TOLERANCE = 0.005, 0.05
"""How far the score may be from the recorded one under other conditions: half a percentage point of a
share, a twentieth of any other metric. Differences in the last bit grow, over the epochs, to about what
another seed changes."""


class CannotReproduce(BenchsweepError, RuntimeError):
    """The trial cannot be trained again as it was."""


@dataclass(frozen=True)
class RecordedTraining:
    """A training on record."""

    name: str
    """ "trial 12", with its seed if it is a rerun."""
    recipe: Mapping[str, Any]
    """Complete, with its seed."""
    epochs: tuple[Epoch, ...]
    recipe_sha256: str | None
    """Of the recipe that was trained; None if not recorded."""
    weights_sha256: str | None
    """Of the weights after the epoch that gives it its score; None if not recorded."""
    environment: Mapping[str, Any]
    """What it was trained on, with device and threads."""
    checkpoint: CheckpointLocation | None = None
    """Where its checkpoint may be; None for a record without a folder."""

    @classmethod
    def of(
        cls,
        trial: Trial,
        name: str,
        environment: Mapping[str, Any],
        checkpoint: CheckpointLocation | None = None,
    ) -> RecordedTraining:
        """The record of a trial. environment: of the start that trained it."""
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
    """What to change on purpose; None keeps what is recorded."""

    device: str | None = None
    threads: int | None = None
    seed: int | None = None
    tolerance: float | None = None
    """As in `Reproduction`; None for the metric's own."""


@dataclass(frozen=True)
class Reproduction:
    """The result of training a recipe again."""

    name: str
    """Of the recorded training."""
    epochs: int
    """How many were compared."""
    differences: tuple[str, ...]
    """A sentence for each metric or weight that is not the same to the bit."""
    weights_compared: bool
    """Whether the trained weights could be compared: pruned trials keep none."""
    conditions: tuple[str, ...]
    """A sentence for each condition that is not the same as then, and may be the reason of a difference."""
    faults: tuple[str, ...]
    """A sentence for each contradiction within the record."""
    score: float
    """The metric after the epoch that gives the training its score, now."""
    recorded: float
    """The same as recorded."""
    tolerance: float
    """How far apart the two may be under other conditions, in the metric's unit; at least 0."""

    @property
    def exact(self) -> bool:
        """Whether everything was the same to the bit."""
        return not self.differences

    @property
    def outcome(self) -> Literal["exact", "close", "different"]:
        """exact: the same to the bit. close: under other conditions, the score is within the tolerance.
        different: anything else, or a record that contradicts itself."""
        if self.faults:
            return "different"
        if self.exact:
            return "exact"
        near = abs(self.score - self.recorded) <= self.tolerance
        return "close" if self.conditions and near else "different"


_NO_CHANGES = Changes()


def recorded_trial(sweep: Sweep, number: int) -> RecordedTraining:
    """Trial `number` of a run. Raises CannotReproduce if it has no epoch on record to compare with."""
    run = sweep.run
    for trial in sweep.trials:
        if trial.number == number and trial.epochs:
            then = _environment(f"trial {number}", [each.environment for each in sweep.sessions], trial)
            return RecordedTraining.of(trial, f"trial {number}", then, run.trial(number).checkpoint)
    raise CannotReproduce(
        f"a trial must have an epoch on record to compare with, but trial {number} of {sweep.name} has none",
        f"see `benchsweep show {run.reference} {number}`",
    )


def recorded_reruns(sweep: Sweep, number: int | None, seeds: int) -> list[RecordedTraining]:
    """The first `seeds` reruns of trial `number`, or for None of the plan's default recipe, in the run's
    confirmation. Raises CannotReproduce if there are fewer."""
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
        RecordedTraining.of(
            rerun,
            f"{name} with seed {rerun.recipe['seed']}",
            _environment(f"{name} with seed {rerun.recipe['seed']}", confirmation.environments, rerun),
            sweep.run.confirmation.trial(rerun.number).checkpoint,
        )
        for rerun in complete[:seeds]
    ]


def _environment(name: str, starts: Sequence[Mapping[str, Any]], trained: Trial) -> Mapping[str, Any]:
    """What it was trained on. starts: of all starts. Raises CannotReproduce if that is not on record."""
    session = trained.session or 0
    if 0 <= session < len(starts):
        return starts[session]
    raise CannotReproduce(
        f"what {name} was trained on must be on record to be compared with, but start {session} is not",
        "reproduce another one, or restore the record from a copy",
    )


def reproduce(
    plan: Plan, recorded: RecordedTraining, data_folder: Path, changes: Changes = _NO_CHANGES
) -> Iterator[Epoch | Reproduction]:
    """Train a recorded recipe again, for as many epochs as are recorded, on the recorded device and number of
    threads, except for `changes`. Yields its epochs, and a Reproduction at the end.

    Raises CannotReproduce, and what the trainable's Source raises (DataError).
    """
    data = plan.source.load(data_folder)
    module, then = plan.trainable_module, recorded.environment
    if "device" not in then:
        raise CannotReproduce(f"the device and threads of {recorded.name} must be recorded, but are not")
    device, threads = changes.device or str(then["device"]), changes.threads or int(then["threads"])
    values = dict(recorded.recipe)
    if changes.seed is not None:
        values["seed"] = changes.seed
    recipe = from_record(module.Recipe, values)
    try:
        training = module.Training(recipe, data, device, threads)
    except (RuntimeError, AssertionError) as error:  # torch has several errors for a missing device
        reason = str(error).strip().splitlines()[0]
        raise CannotReproduce(
            f"{recorded.name} must be trained on {device}, which cannot be used here: {reason}",
            "name another device with --device",
        ) from error
    differences: list[str] = []
    trained: list[Epoch] = []
    metric, weights_now = plan.objective, None
    for known, epoch in zip(recorded.epochs, training, strict=False):
        yield epoch
        trained.append(epoch)
        if metric.take == "best" and metric.taken(trained) is epoch:
            weights_now = getattr(training, "weights_sha256", None)
        differences += [
            f"epoch {epoch.number}: {name} was {value!r}, now {epoch.metrics.get(name)!r}"
            for name, value in known.metrics.items()
            if epoch.metrics.get(name) != value
        ]
    metrics_same = not differences
    if metric.take == "last":
        weights_now = getattr(training, "weights_sha256", None)
    weights = _recorded_weights(recorded, metric, module.Training(recipe, data, "cpu", 1))
    if weights not in (None, weights_now):
        differences.append(f"the weights' SHA-256 was {weights}, now {weights_now}")
    now = {
        **environment(getattr(data, "fingerprint", None), plan.trainable, plan.folder),
        "device": device,
        "threads": threads,
        "seed": values.get("seed"),
    }
    conditions = tuple(_conditions({**then, "seed": recorded.recipe.get("seed")}, now))
    score = metric.taken(trained).metrics[metric.name] if trained else 0.0
    then_score = metric.taken(recorded.epochs).metrics[metric.name]
    yield Reproduction(
        name=recorded.name,
        epochs=len(recorded.epochs),
        differences=tuple(differences),
        weights_compared=weights is not None,
        conditions=conditions,
        faults=tuple(_faults(recorded, differences, conditions, metrics_same)),
        score=score,
        recorded=then_score,
        tolerance=_tolerance(metric, then_score) if changes.tolerance is None else changes.tolerance,
    )


def _faults(
    recorded: RecordedTraining, differences: list[str], conditions: tuple[str, ...], metrics_same: bool
) -> Iterator[str]:
    """What must be wrong with the record, if anything."""
    sealed, actual = recorded.recipe_sha256, recipe_sha256(recorded.recipe)
    if sealed not in (None, actual):
        yield (
            f"the recipe on record (seed {recorded.recipe.get('seed')}) is not the one that was trained: its "
            f"SHA-256 was {sealed}, and is {actual}"
        )
    elif differences and metrics_same and not conditions:
        yield (
            "every metric is the same to the bit, so the recorded SHA-256 of the weights does not belong to "
            "this training: either it was changed, or the weights were"
        )
    elif differences and not conditions:
        yield "no condition is known to have changed, so the recorded metrics belong to another training"


def _tolerance(metric: Metric, score: float) -> float:
    return SHARE_TOLERANCE if metric.unit == "share" else RELATIVE_TOLERANCE * abs(score)


def _recorded_weights(recorded: RecordedTraining, metric: Metric, fresh: TrainingRun) -> str | None:
    """The SHA-256 of the weights after the epoch that gives the training its score; None if it was not
    recorded, or the trainable does not provide it. fresh: a training to load them into."""
    if recorded.weights_sha256 is not None or recorded.checkpoint is None or metric.take == "best":
        return recorded.weights_sha256
    stored, _ = latest(recorded.checkpoint, json.dumps(recorded.recipe))
    if stored is None or len(stored.epochs) != len(recorded.epochs):
        return None
    fresh.load_state_dict(stored.state)
    return getattr(fresh, "weights_sha256", None)


def _conditions(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What can change the bits and is not the same as then."""
    for name in ("seed", "device", "threads", "processor", "data_sha256", "trainable_sha256", "commit"):
        if then.get(name) != now.get(name):
            yield f"{name} was {then.get(name)}, now {now.get(name)}"
    versions = then.get("versions", {})
    for name in ("benchsweep", "torch", "numpy", "scikit-learn"):
        if versions.get(name) != now["versions"].get(name):
            yield f"{name} was {versions.get(name)}, now {now['versions'].get(name)}"
