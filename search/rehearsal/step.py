"""One thing that is tried of a trainable, and how a call of one of its members ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import trainable.epoch
from trainable.contract import TrainingRun
from trainable.epoch import Diverged
from trainable.errors import BenchsweepError
from trainable.user_code import TrainableError, calling

T = TypeVar("T")
StepOutcome = Literal["passed", "failed", "not tried"]
"""How a step ended."""
METHODS = {
    "__iter__": "def __iter__(self): …  # yields an Epoch after each epoch",
    "state_dict": "def state_dict(self): return {…}  # arrays and plain values",
    "load_state_dict": "def load_state_dict(self, state): …  # what state_dict returned",
    "evaluate": "def evaluate(self, test): return Evaluation({…}, count)",
    "save": "def save(self, folder): return []  # the paths of the files that it wrote",
}
"""The methods of a Training, and how to write each."""
_END = object()


@dataclass(frozen=True)
class Step:
    """One thing that was tried."""

    member: str
    """What of the trainable was called, such as "Training.save"."""
    outcome: StepOutcome
    """How it ended."""
    message: str
    """What was found, or why it was not tried."""
    advice: str | None = None
    """What to write; None unless it failed."""


def parts(error: BenchsweepError) -> tuple[str, str | None]:
    """Message and advice of an error."""
    return error.message, error.advice


def passed(member: str, message: str) -> Step:
    """A step that found no fault."""
    return Step(member, "passed", message)


def failed(member: str, message: str, advice: str | None = None) -> Step:
    """A step that found a fault."""
    return Step(member, "failed", message, advice)


def not_tried(member: str, reason: str) -> Step:
    """A step that could not be tried."""
    return Step(member, "not tried", reason)


class Attempt(NamedTuple, Generic[T]):
    """How a call ended."""

    value: T | None
    """What it returned; None if it raised."""
    failures: list[Step]
    """What it raised; empty if it returned."""
    error: BaseException | None = None
    """The same, as the trainable raised it."""


def attempt(member: str, call: Callable[[], T]) -> Attempt[T]:
    """Call a member of the trainable."""
    try:
        with calling(member):
            return Attempt(call(), [])
    except Diverged as error:
        advice = (
            "a search ends such a trial as DIVERGED; leave out a metric that is not always finite, or try "
            "another recipe with --recipe"
        )
        return Attempt(None, [failed(member, error.message, advice)], error)
    except TrainableError as error:
        return Attempt(None, [failed(member, error.message, _advice(member, error))], error.__cause__)
    except BenchsweepError as error:
        return Attempt(None, [failed(member, *parts(error))], error)


def _advice(member: str, error: TrainableError) -> str | None:
    """What to write where a member raised."""
    cause = error.__cause__
    if in_epoch(cause):
        return 'give one number for each metric, as in {"loss": float(loss)}, and leave out what has none'
    if isinstance(cause, ValueError) and "read-only" in str(cause):
        return "workers share the data, which is read-only: copy what Training changes"
    return error.advice if cause is None else METHODS.get(member.rpartition(".")[2])


def epochs_of(training: TrainingRun, count: int) -> Iterator[Attempt[Any]]:
    """The first `count` epochs, as they are trained. What is raised ends them."""
    iterator = attempt("Training.__iter__", lambda: iter(training))
    while iterator.value is not None and count > 0:
        source = iterator.value
        tried = attempt("Training.__iter__", lambda source=source: next(source, _END))  # type: ignore[misc]
        if tried.value is _END:
            return
        yield tried
        if tried.failures:
            return
        count -= 1
    if iterator.failures:
        yield Attempt(None, iterator.failures, iterator.error)


def in_epoch(error: BaseException | None) -> bool:
    """Whether an Epoch raised it: its metrics are at fault, and the epoch was trained."""
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == trainable.epoch.__file__
