"""Calls of a trainable's members outside of a trial: what fails there becomes a sentence."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainable.contract import Metric, TrainingRun
from trainable.epoch import Diverged, Epoch
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation


class TrainableError(BenchsweepError, RuntimeError):
    """A member of the trainable raised, or returned something else than `trainable.contract` says."""

    trace: str = ""
    """The traceback of what it raised, for a log; empty if it raised nothing."""


class StoppedItself(Exception):
    """A training ends before its last epoch, since its own code decided so. The trial is PRUNED."""


@contextmanager
def calling(member: str) -> Iterator[None]:
    """Turns what a member of the trainable raises into TrainableError. member: as in "Training.save".

    Errors that are sentences already, such as DataError, and Diverged pass.
    """
    try:
        yield
    except (BenchsweepError, Diverged, MemoryError):
        raise
    except Exception as error:
        failure = TrainableError(
            f"{member} of the trainable must not fail, but raised {_described(error)}{_location(error)}",
            "mend it, and give the same command again",
        )
        failure.trace = "".join(traceback.format_exception(error))
        raise failure from error


def _described(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _location(error: Exception) -> str:
    """Where the error comes from: the innermost line that is no library's."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is this file
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def epochs_of(training: TrainingRun) -> Iterator[Epoch]:
    """Trains, and yields the epochs. Raises Diverged and TrainableError."""
    with calling("Training.__iter__"):
        yield from training


def check_finite(epoch: Epoch, metric: Metric) -> None:
    """Raises Diverged if the metric is not finite. Any other that is not is missing."""
    if metric.name in epoch.not_finite:
        value = epoch.not_finite[metric.name]
        raise Diverged(f"epoch {epoch.number}: {metric.name} must stay finite, but became {value}")


def epoch_faults(epoch: Any, before: int, metric: Metric) -> list[TrainableError]:
    """What is wrong with a value that iterating over a Training yielded. before: number of epochs before it,
    also those before it was restored. Raises Diverged."""
    if not isinstance(epoch, Epoch):
        measured = dict(epoch) if isinstance(epoch, Mapping) else f'{{"{metric.name}": …}}'
        return [
            TrainableError(
                f"Training must yield a trainable.epoch.Epoch after each epoch, but yielded a "
                f"{type(epoch).__name__}",
                f"yield Epoch({before + 1}, {measured}, seconds)",
            )
        ]
    faults = []
    if epoch.number != before + 1:
        faults.append(
            TrainableError(
                f"Training must number its epochs from 1 without a gap, but yielded epoch {epoch.number} "
                f"after {before}",
                f"yield Epoch({before + 1}, …) here, and begin after the epoch that load_state_dict restored",
            )
        )
    check_finite(epoch, metric)
    if metric.name not in epoch.metrics:
        faults.append(
            TrainableError(
                f"Training must yield epochs with the metric {metric.name!r} (METRIC), but yielded "
                f"{list(epoch.metrics)}",
                f"measure it on the validation data, or name one of these in METRIC instead of "
                f"{metric.name!r}",
            )
        )
    return faults


def unpicklable(data: Any, error: Exception) -> TrainableError:
    """The error of data that cannot be sent to workers. error: what pickling it raised."""
    reason = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
    return TrainableError(
        f"what Source.load of the trainable returns must be picklable, since the workers get a copy, but "
        f"it is a {type(data).__name__}: {reason[0]}",
        "return arrays and plain objects, and open files or connections in Training; or search without "
        "workers, with --local",
    )


def checked_evaluation(value: Any, member: str = "Training.evaluate") -> Evaluation:
    """Returns what a trainable's `evaluate` returned. Raises TrainableError if it is no Evaluation, or has a
    metric that is no finite number."""
    if not isinstance(value, Evaluation):
        raise TrainableError(
            f"{member} of the trainable must return a trainable.evaluation.evaluation.Evaluation, but "
            f"returned a {type(value).__name__}",
            "return Evaluation({'accuracy': 0.98}, count=10_000)",
        )
    metrics: Any = value.metrics
    if not isinstance(metrics, Mapping) or not metrics:
        raise TrainableError(f"{member} of the trainable must return metrics by name, but has {metrics!r}")
    for name, metric in metrics.items():
        if not _is_finite(metric):
            raise TrainableError(
                f"{member} of the trainable must return finite numbers, but {name} is {metric!r}",
                "compute it from the split that evaluate is given",
            )
    return replace(value, metrics={name: float(metric) for name, metric in metrics.items()})


def _is_finite(metric: Any) -> bool:
    try:
        return math.isfinite(metric)
    except TypeError:
        return False
