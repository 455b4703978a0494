"""A trainable, tried on two epochs: its members are called as a search would call them, without a search.

The test split stays closed: nothing here calls `Source.load_test`.
"""

from __future__ import annotations

import inspect
import json
import math
import pickle
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast

import numpy as np
from pydantic import BaseModel

import trainable.epoch
from search.plan.plan import Plan
from trainable.contract import Trainable, TrainingRun, has_test_split
from trainable.epoch import Diverged, Epoch
from trainable.errors import BenchsweepError
from trainable.record import to_record
from trainable.storage.checkpoint import Checkpoint, unstorable
from trainable.user_code import TrainableError, calling, checked_evaluation, epoch_faults, unpicklable

T = TypeVar("T")
StepOutcome = Literal["passed", "failed", "not tried"]
"""How a step ended."""

EPOCHS = 2
"""Number of epochs that are trained without interruption."""
TOLERANCE = 1e-6
"""Largest relative difference between a metric of a restored training and that of the uninterrupted one."""
_METHODS = {
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


def rehearse(
    plan: Plan, recipe: BaseModel, data_folder: Path, device: str = "cpu", threads: int = 1
) -> Iterator[Step]:
    """Tries the plan's trainable with this recipe, and yields each step as it ends. A step that fails does
    not keep others from being tried that do not need it."""
    tested = has_test_split(plan.trainable)
    began = time.perf_counter()
    loaded = _tried("Source.load", lambda: plan.source.load(data_folder))
    seconds = time.perf_counter() - began
    yield from loaded.failures or [
        _passed("Source.load", f"returned a {type(loaded.value).__name__} in {seconds:.2f} s")
    ]
    if loaded.failures:
        yield _not_tried("Training", "it needs the data")
    else:
        sent = _tried("Source.load", lambda: _sent_to_worker(loaded.value))
        yield from sent.failures or [_passed("Source.load", "what it returned can be sent to workers")]
        data = loaded.value if sent.failures else sent.value
        yield from _Rehearsal(plan.trainable_module, recipe, data, device, threads, tested).steps()
    if tested:
        yield _not_tried("Source.load_test", "the test split is opened for confirmed winners only")


@dataclass
class _Rehearsal:
    """The steps of a Training, and what they hand on to each other."""

    module: Trainable
    recipe: BaseModel
    data: Any
    device: str
    threads: int
    has_test_split: bool
    epochs: list[Any] = field(default_factory=list)
    """What the training yielded that was not interrupted."""
    checkpoints: list[bytes] = field(default_factory=list)
    """One after each of these epochs."""

    def steps(self) -> Iterator[Step]:
        built = _tried("Training", self._built)
        training = built.value
        if training is None:
            yield from built.failures or [_failed("Training", "Training must be a class, but returned None")]
            yield _not_tried("Training.__iter__", "there is no Training")
            return
        has = {name for name in _METHODS if callable(getattr(training, name, None))}
        for name in _METHODS:
            if name not in has:
                message = f"Training must have a method {name}, but has none"
                yield _failed(f"Training.{name}", message, _METHODS[name])
        if "__iter__" not in has:
            return
        faults, state_faults, trained = self._train(training, "state_dict" in has)
        yield from faults or [_passed("Training.__iter__", self._figures())]
        if not trained:
            yield _not_tried(
                "Training.state_dict", "no epoch was trained, and none can be stored or evaluated"
            )
            return
        yield from state_faults
        model = training
        if self.checkpoints and not state_faults:
            size = _bytes(len(self.checkpoints[-1]))
            yield _passed("Training.state_dict", f"can be stored: checkpoints of {size}")
            if "load_state_dict" in has:
                restored = _tried("Training.load_state_dict", lambda: self._restored(-1))
                yield from restored.failures or self._continued(training, not faults)
                model = restored.value or training
        elif {"state_dict", "load_state_dict"} <= has:
            yield _not_tried("Training.load_state_dict", "no state could be stored")
        if "evaluate" in has:
            yield self._evaluated(training, model)
        if "save" in has:
            yield self._saved(model)

    def _built(self) -> TrainingRun:
        return self.module.Training(self.recipe, self.data, self.device, self.threads)

    def _train(self, training: TrainingRun, store: bool) -> tuple[list[Step], list[Step], bool]:
        """Trains, and stores the state after each epoch. Returns the faults of the epochs, those of the
        states, and whether an epoch was trained."""
        member = "Training.__iter__"
        faults: list[Step] = []
        state_faults: list[Step] = []
        trained = False
        for value in _epochs_of(training):
            trained = trained or not value.failures or _in_epoch(value.error)
            if not faults:  # those of a later epoch are the same
                wrong = epoch_faults(value.value, len(self.epochs), self.module.METRIC)
                faults = value.failures or [_failed(member, *_parts(fault)) for fault in wrong]
            self.epochs.append(value.value)
            if store and trained and not state_faults:
                state_faults = self._store(training)
        if not self.epochs:
            message = "Training must yield an Epoch after each epoch, but yields nothing"
            faults = [_failed(member, message, "yield Epoch(1, {…}, seconds)")]
        return faults, state_faults, trained

    def _figures(self) -> str:
        metric = self.module.METRIC
        scores = ", ".join(metric.format(epoch.metrics[metric.name]) for epoch in self.epochs)
        seconds = max(epoch.seconds for epoch in self.epochs)
        count = len(self.epochs)
        plural = "s" if count > 1 else ""
        return f"yields epochs: {count} epoch{plural} of up to {seconds:.2f} s, {metric.name} {scores}"

    def _store(self, training: TrainingRun) -> list[Step]:
        """Keeps a checkpoint. Returns what is wrong with the state."""
        member = "Training.state_dict"
        state = _tried(member, training.state_dict)
        if state.failures:
            return state.failures
        faults = [_failed(member, *fault.rsplit("; ", 1)) for fault in unstorable(state.value or {})]
        if state.value is None:
            faults = [
                _failed(member, "state_dict must return a dict, but returned None", _METHODS["state_dict"])
            ]
        if not faults:
            recipe = json.dumps(to_record(self.recipe))
            self.checkpoints.append(Checkpoint(state.value or {}, (), recipe).to_bytes())
        return faults

    def _restored(self, index: int) -> TrainingRun:
        """A new training with the state of one of the checkpoints."""
        training = self._built()
        training.load_state_dict(Checkpoint.parse(self.checkpoints[index], "the checkpoint").state)
        return training

    def _continued(self, training: TrainingRun, compare: bool) -> Iterator[Step]:
        """Continues from the checkpoint of the first epoch, and compares with what was not interrupted.

        compare: whether its epochs have no faults.
        """
        member = "Training.load_state_dict"
        if not compare or len(self.epochs) < EPOCHS:
            reason = "epochs with faults" if not compare else "a recipe of one epoch"
            yield from self._unrestored() or [
                _passed(member, "takes a state that was stored"),
                _not_tried(member, f"continuing a training: nothing to compare with in {reason}"),
            ]
            return
        restored = _tried(member, lambda: self._restored(0))
        if restored.value is None:
            yield from restored.failures
            return
        first = next(_epochs_of(restored.value, 1), None)
        if first is None:
            message = "a training that was restored after epoch 1 must continue, but yields no epoch"
            yield _failed(member, message, "begin __iter__ after the epoch that load_state_dict restored")
            return
        if first.failures:
            yield from first.failures
            return
        faults = epoch_faults(first.value, 1, self.module.METRIC)
        if faults:
            message = f"restored after epoch 1: {faults[0].message}"
            advice = "restore the number of epochs too, and begin __iter__ after them"
            yield _failed(member, message, advice)
            return
        yield self._compared(training, restored.value, cast(Epoch, first.value))

    def _compared(self, training: TrainingRun, restored: TrainingRun, epoch: Epoch) -> Step:
        """Whether the second epoch is that of the training that was not interrupted."""
        member, wanted = "Training.load_state_dict", self.epochs[1]
        differing = _differing(epoch.metrics, wanted.metrics)
        if not differing:
            digests = [getattr(each, "weights_sha256", None) for each in (training, restored)]
            if dict(epoch.metrics) == dict(wanted.metrics) and digests[0] == digests[1]:
                return _passed(member, "continues to the bit as without the interruption")
            return _passed(
                member,
                f"continues as without the interruption, within {TOLERANCE:g}, but not to the bit: the "
                f"training is not deterministic",
            )
        again = self._second_epoch_again()
        repeatable = [name for name in differing if again and name not in _differing(again, wanted.metrics)]
        lost = self._unrestored()
        if not repeatable and not lost:
            name = differing[0]
            shown = [f"{each[name]:.6g}" for each in (wanted.metrics, again or {}) if name in each]
            return _passed(
                member,
                f"cannot be compared: the training is not deterministic, and has another {name} each time "
                f"({', '.join(shown)})",
            )
        if not repeatable:
            return lost[0]
        name = self.module.METRIC.name if self.module.METRIC.name in repeatable else repeatable[0]
        got = epoch.metrics.get(name)
        entries = f", and these entries are not restored: {', '.join(self._changed())}" if lost else ""
        return _failed(
            member,
            f"a restored training must continue as without the interruption, but then epoch 2 has {name} "
            f"{got if got is None else format(got, '.6g')} instead of {wanted.metrics[name]:.6g}{entries}",
            "store all that training changes in state_dict, and restore it in load_state_dict: weights, the "
            "optimizer's state, the number of epochs; draw random numbers from (seed, epoch)",
        )

    def _second_epoch_again(self) -> Mapping[str, float] | None:
        """The metrics of another training's second epoch; None if it does not come so far."""
        built = _tried("Training", self._built).value
        epochs = [] if built is None else [tried.value for tried in _epochs_of(built)]
        return epochs[1].metrics if len(epochs) == EPOCHS and isinstance(epochs[1], Epoch) else None

    def _unrestored(self) -> list[Step]:
        """A failure if weights were not restored: an array of floats that state_dict returns again is
        another."""
        if not (changed := self._changed()):
            return []
        message = (
            f"load_state_dict must restore the whole state, but these entries differ: {', '.join(changed)}"
        )
        return [
            _failed("Training.load_state_dict", message, f"restore state[{changed[0]!r}] in load_state_dict")
        ]

    def _changed(self) -> list[str]:
        """Names of the float arrays of the last checkpoint that a training restored from it does not have.
        Other entries may be the same in another form, as pickled trees."""
        state = Checkpoint.parse(self.checkpoints[-1], "the checkpoint").state
        after = _tried("Training.state_dict", lambda: self._restored(-1).state_dict()).value or {}
        floats = {
            name: value
            for name, value in state.items()
            if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating)
        }
        return [
            name
            for name, value in floats.items()
            if not np.array_equal(value, np.asarray(after.get(name)), equal_nan=True)
        ]

    def _evaluated(self, training: TrainingRun, restored: TrainingRun) -> Step:
        """Evaluates on the validation split, if the data says which that is."""
        member = "Training.evaluate"
        if not self.has_test_split:
            return _not_tried(member, "there is no test split")
        split = getattr(self.data, "validation", None)
        if split is None:
            try:
                inspect.signature(training.evaluate).bind(None)
            except TypeError as error:
                return _failed(
                    member, f"evaluate must take the test split alone, but: {error}", _METHODS["evaluate"]
                )
            except ValueError:  # a function of another language, which has no signature
                pass
            return _not_tried(
                member,
                "it needs a split other than the test split, and the data has no attribute `validation`",
            )
        first = _tried(member, lambda: checked_evaluation(training.evaluate(split)))
        second = _tried(member, lambda: checked_evaluation(restored.evaluate(split)))
        if first.value is None or second.value is None:
            failure = (first.failures or second.failures)[0]
            return replace(failure, message=f"given the validation split, {failure.message}")
        before, after = first.value.metrics, second.value.metrics
        listed = ", ".join(f"{name} {value:.4g}" for name, value in before.items())
        if not (differing := _differing(after, before)):
            return _passed(member, f"given the validation split, returned {listed}, also when restored")
        third = _tried(member, lambda: training.evaluate(split)).value
        if third is None or differing[0] in _differing(third.metrics, before):
            return _passed(member, f"given the validation split, returned {listed}; another result each time")
        name = differing[0]
        return _failed(
            member,
            f"a restored model must score as it did before, but on the validation split {name} is "
            f"{after.get(name, math.nan):.6g} instead of {before.get(name, math.nan):.6g}",
            "restore the weights in load_state_dict: confirmed winners are restored, then evaluated",
        )

    def _saved(self, training: TrainingRun) -> Step:
        member = "Training.save"
        with TemporaryDirectory(prefix="benchsweep-") as name:
            folder = Path(name)
            saved = _tried(member, lambda: training.save(folder))
            if saved.failures:
                return saved.failures[0]
            files: Any = saved.value
            if not isinstance(files, Sequence) or isinstance(files, str):
                return _failed(
                    member, f"save must return the paths of the files it wrote, but returned {files!r}",
                    "return [path], or [] if it writes none",
                )  # fmt: skip
            missing = [str(file) for file in files if not (isinstance(file, Path) and file.exists())]
            if missing:
                return _failed(
                    member, f"save must return the paths of files that it wrote, but {missing[0]} is none",
                    "return [folder / 'model.bin'], a pathlib.Path below the given folder",
                )  # fmt: skip
            names = [file.name for file in files]
            reader = getattr(self.module, "SavedModel", None)
            if files and reader is not None:
                read = _tried("SavedModel.read", lambda: reader.read(folder))
                if read.failures:
                    return read.failures[0]
            return _passed(member, f"wrote {', '.join(names) or 'no file'} to a folder that is removed again")


class _Tried(NamedTuple, Generic[T]):
    """What a call gave."""

    value: T | None
    """What it returned; None if it raised."""
    failures: list[Step]
    """What it raised; empty if it returned."""
    error: BaseException | None = None
    """The same, as the trainable raised it."""


def _tried(member: str, call: Callable[[], T]) -> _Tried[T]:
    try:
        with calling(member):
            return _Tried(call(), [])
    except Diverged as error:
        advice = (
            "a search ends such a trial as DIVERGED; leave out a metric that is not always finite, or try "
        )
        advice += "another recipe with --recipe"
        return _Tried(None, [_failed(member, error.message, advice)], error)
    except TrainableError as error:
        return _Tried(None, [_failed(member, error.message, _advice(member, error))], error.__cause__)
    except BenchsweepError as error:
        return _Tried(None, [_failed(member, *_parts(error))], error)


def _advice(member: str, error: TrainableError) -> str | None:
    """What to write where a member raised."""
    cause = error.__cause__
    if _in_epoch(cause):
        return 'give one number for each metric, as in {"loss": float(loss)}, and leave out what has none'
    if isinstance(cause, ValueError) and "read-only" in str(cause):
        return "workers share the data, which is read-only: copy what Training changes"
    return error.advice if cause is None else _METHODS.get(member.rpartition(".")[2])


def _epochs_of(training: TrainingRun, count: int = EPOCHS) -> Iterator[_Tried[Any]]:
    """The first epochs, as they are trained. What is raised ends them."""
    iterator = _tried("Training.__iter__", lambda: iter(training))
    while iterator.value is not None and count > 0:
        source = iterator.value
        tried = _tried("Training.__iter__", lambda source=source: next(source, _END))  # type: ignore[misc]
        if tried.value is _END:
            return
        yield tried
        if tried.failures:
            return
        count -= 1
    if iterator.failures:
        yield _Tried(None, iterator.failures, iterator.error)


def _in_epoch(error: BaseException | None) -> bool:
    """Whether an Epoch raised it: its metrics are at fault, and the epoch was trained."""
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == trainable.epoch.__file__


def _sent_to_worker(data: Any) -> Any:
    """The data as a worker gets it: a copy, with arrays that are not copied and cannot be written to."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        content = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    except (TypeError, AttributeError, pickle.PicklingError):
        from search.engine.ray_tune.pickling import pickled  # Ray takes a second, and is seldom needed

        try:
            return pickle.loads(pickled(data))
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise unpicklable(data, error) from None
    return pickle.loads(content, buffers=[buffer.raw().toreadonly() for buffer in buffers])


def _differing(metrics: Mapping[str, float], wanted: Mapping[str, float]) -> list[str]:
    """Names of the metrics that differ, or that only one of the two has."""
    return [
        name
        for name in {**wanted, **metrics}
        if name not in metrics
        or name not in wanted
        or not math.isclose(metrics[name], wanted[name], rel_tol=TOLERANCE, abs_tol=0.0)
    ]


def _parts(error: BenchsweepError) -> tuple[str, str | None]:
    return error.message, error.advice


def _passed(member: str, message: str) -> Step:
    return Step(member, "passed", message)


def _failed(member: str, message: str, advice: str | None = None) -> Step:
    return Step(member, "failed", message, advice)


def _not_tried(member: str, reason: str) -> Step:
    return Step(member, "not tried", reason)


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
