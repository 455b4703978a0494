"""A trainable, tried on two epochs: its members are called as a search would call them, without a search.

The test split stays closed: nothing here calls `Source.load_test`.
"""

from __future__ import annotations

import inspect
import json
import math
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import BaseModel

from search.plan.plan import Plan
from search.rehearsal.step import (
    METHODS,
    Step,
    attempt,
    epochs_of,
    failed,
    in_epoch,
    not_tried,
    parts,
    passed,
)
from trainable.contract import Trainable, TrainingRun
from trainable.epoch import Epoch
from trainable.record import to_record
from trainable.storage.checkpoint import Checkpoint, unstorable
from trainable.user_code import checked_evaluation, epoch_faults, unpicklable

T = TypeVar("T")
EPOCHS = 2
"""Number of epochs that are trained without interruption."""
TOLERANCE = 1e-6
"""Largest relative difference between a metric of a restored training and that of the uninterrupted one."""


def rehearse(
    plan: Plan, recipe: BaseModel, data_folder: Path, device: str = "cpu", threads: int = 1
) -> Iterator[Step]:
    """Tries the plan's trainable with this recipe, and yields each step as it ends. A step that fails does
    not keep others from being tried that do not need it."""
    tested = plan.has_test_split
    began = time.perf_counter()
    loaded = attempt("Source.load", lambda: plan.source.load(data_folder))
    seconds = time.perf_counter() - began
    yield from loaded.failures or [
        passed("Source.load", f"returned a {type(loaded.value).__name__} in {seconds:.2f} s")
    ]
    if loaded.failures:
        yield not_tried("Training", "it needs the data")
    else:
        sent = attempt("Source.load", lambda: _sent_to_worker(loaded.value))
        yield from sent.failures or [passed("Source.load", "what it returned can be sent to workers")]
        data = loaded.value if sent.failures else sent.value
        yield from _Rehearsal(plan.trainable_module, recipe, data, device, threads, tested).steps()
    if tested:
        yield not_tried("Source.load_test", "the test split is opened for confirmed winners only")


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
        built = attempt("Training", self._built)
        training = built.value
        if training is None:
            yield from built.failures or [failed("Training", "Training must be a class, but returned None")]
            yield not_tried("Training.__iter__", "there is no Training")
            return
        has = {name for name in METHODS if callable(getattr(training, name, None))}
        for name in METHODS:
            if name not in has:
                message = f"Training must have a method {name}, but has none"
                yield failed(f"Training.{name}", message, METHODS[name])
        if "__iter__" not in has:
            return
        faults, state_faults, trained = self._train(training, "state_dict" in has)
        yield from faults or [passed("Training.__iter__", self._figures())]
        if not trained:
            yield not_tried(
                "Training.state_dict", "no epoch was trained, and none can be stored or evaluated"
            )
            return
        yield from state_faults
        model = training
        if self.checkpoints and not state_faults:
            size = _bytes(len(self.checkpoints[-1]))
            yield passed("Training.state_dict", f"can be stored: checkpoints of {size}")
            if "load_state_dict" in has:
                restored = attempt("Training.load_state_dict", lambda: self._restored(-1))
                yield from restored.failures or self._continued(training, not faults)
                model = restored.value or training
        elif {"state_dict", "load_state_dict"} <= has:
            yield not_tried("Training.load_state_dict", "no state could be stored")
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
        for value in epochs_of(training, EPOCHS):
            trained = trained or not value.failures or in_epoch(value.error)
            if not faults:  # those of a later epoch are the same
                faults = value.failures or self._wrong(value.value, len(self.epochs))
            self.epochs.append(value.value)
            if store and trained and not state_faults:
                state_faults = self._store(training)
        if not self.epochs:
            message = "Training must yield an Epoch after each epoch, but yields nothing"
            faults = [failed(member, message, "yield Epoch(1, {…}, seconds)")]
        return faults, state_faults, trained

    def _wrong(self, epoch: Any, before: int) -> list[Step]:
        """What is wrong with what was yielded. before: number of epochs before it."""
        member = "Training.__iter__"
        checked = attempt(member, lambda: epoch_faults(epoch, before, self.module.METRIC))
        return checked.failures or [failed(member, *parts(fault)) for fault in checked.value or ()]

    def _figures(self) -> str:
        metric = self.module.METRIC
        scores = ", ".join(metric.format(epoch.metrics[metric.name]) for epoch in self.epochs)
        seconds = max(epoch.seconds for epoch in self.epochs)
        count = len(self.epochs)
        plural = "s" if count > 1 else ""
        left_out = {name for epoch in self.epochs for name in epoch.not_finite}
        missing = f"; missing where it is not finite: {', '.join(sorted(left_out))}" if left_out else ""
        return (
            f"yields epochs: {count} epoch{plural} of up to {seconds:.2f} s, {metric.name} {scores}{missing}"
        )

    def _store(self, training: TrainingRun) -> list[Step]:
        """Keeps a checkpoint. Returns what is wrong with the state."""
        member = "Training.state_dict"
        state = attempt(member, training.state_dict)
        if state.failures:
            return state.failures
        faults = [failed(member, *fault.rsplit("; ", 1)) for fault in unstorable(state.value or {})]
        if state.value is None:
            faults = [
                failed(member, "state_dict must return a dict, but returned None", METHODS["state_dict"])
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
                passed(member, "takes a state that was stored"),
                not_tried(member, f"continuing a training: nothing to compare with in {reason}"),
            ]
            return
        restored = attempt(member, lambda: self._restored(0))
        if restored.value is None:
            yield from restored.failures
            return
        first = next(epochs_of(restored.value, 1), None)
        if first is None:
            message = "a training that was restored after epoch 1 must continue, but yields no epoch"
            yield failed(member, message, "begin __iter__ after the epoch that load_state_dict restored")
            return
        if first.failures:
            yield from first.failures
            return
        faults = self._wrong(first.value, 1)
        if faults:
            message = f"restored after epoch 1: {faults[0].message}"
            advice = "restore the number of epochs too, and begin __iter__ after them"
            yield failed(member, message, advice)
            return
        yield self._compared(training, restored.value, cast(Epoch, first.value))

    def _compared(self, training: TrainingRun, restored: TrainingRun, epoch: Epoch) -> Step:
        """Whether the second epoch is that of the training that was not interrupted."""
        member, wanted = "Training.load_state_dict", self.epochs[1]
        differing = _differing(epoch.metrics, wanted.metrics)
        if not differing:
            digests = [getattr(each, "weights_sha256", None) for each in (training, restored)]
            if dict(epoch.metrics) == dict(wanted.metrics) and digests[0] == digests[1]:
                return passed(member, "continues to the bit as without the interruption")
            return passed(
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
            return passed(
                member,
                f"cannot be compared: the training is not deterministic, and has another {name} each time "
                f"({', '.join(shown)})",
            )
        if not repeatable:
            return lost[0]
        name = self.module.METRIC.name if self.module.METRIC.name in repeatable else repeatable[0]
        got = epoch.metrics.get(name)
        entries = f", and these entries are not restored: {', '.join(self._changed())}" if lost else ""
        return failed(
            member,
            f"a restored training must continue as without the interruption, but then epoch 2 has {name} "
            f"{got if got is None else format(got, '.6g')} instead of {wanted.metrics[name]:.6g}{entries}",
            "store all that training changes in state_dict, and restore it in load_state_dict: weights, the "
            "optimizer's state, the number of epochs; draw random numbers from (seed, epoch)",
        )

    def _second_epoch_again(self) -> Mapping[str, float] | None:
        """The metrics of another training's second epoch; None if it does not come so far."""
        built = attempt("Training", self._built).value
        epochs = [] if built is None else [tried.value for tried in epochs_of(built, EPOCHS)]
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
            failed("Training.load_state_dict", message, f"restore state[{changed[0]!r}] in load_state_dict")
        ]

    def _changed(self) -> list[str]:
        """Names of the float arrays of the last checkpoint that a training restored from it does not have.
        Other entries may be the same in another form, as pickled trees."""
        state = Checkpoint.parse(self.checkpoints[-1], "the checkpoint").state
        after = attempt("Training.state_dict", lambda: self._restored(-1).state_dict()).value or {}
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
            return not_tried(member, "there is no test split")
        split = getattr(self.data, "validation", None)
        if split is None:
            try:
                inspect.signature(training.evaluate).bind(None)
            except TypeError as error:
                return failed(
                    member, f"evaluate must take the test split alone, but: {error}", METHODS["evaluate"]
                )
            except ValueError:  # a function of another language, which has no signature
                pass
            return not_tried(
                member,
                "it needs a split other than the test split, and the data has no attribute `validation`",
            )
        first = attempt(member, lambda: checked_evaluation(training.evaluate(split)))
        second = attempt(member, lambda: checked_evaluation(restored.evaluate(split)))
        if first.value is None or second.value is None:
            failure = (first.failures or second.failures)[0]
            return replace(failure, message=f"given the validation split, {failure.message}")
        before, after = first.value.metrics, second.value.metrics
        listed = ", ".join(f"{name} {value:.4g}" for name, value in before.items())
        if not (differing := _differing(after, before)):
            return passed(member, f"given the validation split, returned {listed}, also when restored")
        third = attempt(member, lambda: training.evaluate(split)).value
        if third is None or differing[0] in _differing(third.metrics, before):
            return passed(member, f"given the validation split, returned {listed}; another result each time")
        name = differing[0]
        return failed(
            member,
            f"a restored model must score as it did before, but on the validation split {name} is "
            f"{after.get(name, math.nan):.6g} instead of {before.get(name, math.nan):.6g}",
            "restore the weights in load_state_dict: confirmed winners are restored, then evaluated",
        )

    def _saved(self, training: TrainingRun) -> Step:
        member = "Training.save"
        with TemporaryDirectory(prefix="benchsweep-") as name:
            folder = Path(name)
            saved = attempt(member, lambda: training.save(folder))
            if saved.failures:
                return saved.failures[0]
            files: Any = saved.value
            if not isinstance(files, Sequence) or isinstance(files, str):
                return failed(
                    member, f"save must return the paths of the files it wrote, but returned {files!r}",
                    "return [path], or [] if it writes none",
                )  # fmt: skip
            missing = [str(file) for file in files if not (isinstance(file, Path) and file.exists())]
            if missing:
                return failed(
                    member, f"save must return the paths of files that it wrote, but {missing[0]} is none",
                    "return [folder / 'model.bin'], a pathlib.Path below the given folder",
                )  # fmt: skip
            names = [file.name for file in files]
            reader = getattr(self.module, "SavedModel", None)
            if files and reader is not None:
                read = attempt("SavedModel.read", lambda: reader.read(folder))
                if read.failures:
                    return read.failures[0]
            return passed(member, f"wrote {', '.join(names) or 'no file'} to a folder that is removed again")


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


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
