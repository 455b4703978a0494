"""Optuna's `def objective(trial)` as a trainable: `trainable = "mine:objective"`, run as it is.

Its `suggest_*` calls make the space while it runs (define-by-run). A value that the search proposes is in the
recipe; any other is drawn here, from a seed that depends on the trial alone, so that a trial that is called
again gets the same values. `trial.report` is an epoch, and `should_prune` is the search's own decision.
"""

from __future__ import annotations

import hashlib
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import FixedTrial
from pydantic import BaseModel

from trainable.contract import Metric, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation
from trainable.function import Declaration, Source, measured, recipe_model
from trainable.record import to_record
from trainable.seeds import seed_everything
from trainable.user_code import StoppedItself, TrainableError

METRIC = Metric("value", "minimize")
"""Optuna's default, where neither the plan nor the module has another."""
EPOCHS = 1000
"""The most values of a trial that are recorded, if the plan does not say."""
_OWN = ("epochs", "seed")
"""Names in a recipe that are no suggestion."""
_PATIENCE = 30.0
"""Seconds to wait for an objective that is to stop at its next `should_prune` or `report`."""


@dataclass
class ObjectiveTrainable:
    """The four names of the contract, made of an objective."""

    function: Callable[[Any], Any]
    """The user's."""
    Recipe: type[BaseModel]
    METRIC: Metric
    draws: int | None
    """Seed of the values that the recipe does not have; None for the middle of each range."""
    Source: type[BaseModel] = Source
    CONTINUES: ClassVar[bool] = False

    def Training(self, recipe: BaseModel, data: None, device: str, threads: int) -> ObjectiveTraining:  # noqa: N802
        return ObjectiveTraining(self.function, dict(to_record(recipe)), self.METRIC, self.draws)


def objective_trainable(
    function: Callable[[Any], Any], own: Metric | None, declared: Declaration
) -> ObjectiveTrainable:
    """Returns an objective as a trainable. own: METRIC of its module; None if it has none."""
    metric = own or declared.metric or METRIC
    return ObjectiveTrainable(function, recipe_model(declared.defaults, EPOCHS), metric, declared.draws)


class _Unwound(BaseException):
    """Ends an objective that was stopped and asked for nothing since. No `except Exception` catches it."""


class ObjectiveTrial(FixedTrial):
    """The `trial` that an objective is given."""

    def __init__(
        self,
        values: Mapping[str, Any],
        draws: int | None,
        number: int,
        reported: Callable[[float, int], None],
        stopped: Callable[[], bool],
    ) -> None:
        """values: what the search proposes. reported: called with each value and its step. stopped: whether
        the search has stopped the trial."""
        super().__init__(dict(values), number)
        self._draws = draws
        self._reported = reported
        self._stopped = stopped
        self._steps: set[int] = set()
        self.recorded: dict[str, Any] = {}
        """What was suggested, as a recipe has it."""
        self.new: dict[str, tuple[str, Any]] = {}
        """What was suggested and not told yet: Optuna's distribution as JSON, and the value, by name."""

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self._suggested_params:
            return self._suggested_params[name]
        recorded = f"trial.{name}" if name in _OWN else name
        stored = _storable(distribution)
        value = self._params.get(recorded)
        if recorded not in self._params or not _allows(stored, value):
            value = _drawn(stored, None if self._draws is None else f"{self._draws} {name}")
        self.new[recorded] = (distribution_to_json(stored), value)
        self.recorded[recorded] = value
        self._suggested_params[name] = given = _given(distribution, stored, value)
        self._distributions[name] = distribution
        return given

    def report(self, value: float, step: int) -> None:
        if self._stopped():
            raise _Unwound
        if step not in self._steps:  # as in Optuna, the first value of a step counts
            self._steps.add(step)
            self._reported(value, step)

    def should_prune(self) -> bool:
        return self._stopped()


class ObjectiveTraining:
    """One call of the objective, in a thread: it calls `report`, where a training yields."""

    def __init__(
        self, function: Callable[[Any], Any], recipe: Mapping[str, Any], metric: Metric, draws: int | None
    ) -> None:
        self._function = function
        self._recipe = recipe
        self._metric = metric
        self._done = 0
        self.over = False
        """Whether it was called to its end: the last epoch was its last."""
        self._messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._go = threading.Semaphore(0)
        self._stopped = threading.Event()
        self.notes: list[str] = []
        """Sentences to record with the trial."""
        values = {name: value for name, value in recipe.items() if name not in _OWN}
        self.trial = ObjectiveTrial(values, draws, 0, self._report, self._stopped.is_set)

    def suggestions(self) -> dict[str, tuple[str, Any]]:
        """What was suggested since the last call: Optuna's distribution as JSON, and the value, by name."""
        new, self.trial.new = self.trial.new, {}
        return new

    @property
    def recipe_trained(self) -> dict[str, Any]:
        """The recipe with what was suggested, and without what was proposed and not asked for."""
        fixed = {name: self._recipe[name] for name in _OWN}
        return {**fixed, **self.trial.recorded}

    def __iter__(self) -> Iterator[Epoch]:
        most = int(self._recipe["epochs"])
        if self.over:
            return
        thread = threading.Thread(target=self._call, daemon=True)
        began, number, last = time.perf_counter(), 0, None
        thread.start()
        try:
            while True:
                kind, value = self._messages.get()
                if kind == "error":
                    raise value
                if kind == "result":
                    self.over = True
                    attributes = self.trial.user_attrs.items()
                    self.notes += [f"user attribute {key} = {value!r}" for key, value in attributes]
                    final = self._value(value)
                    if number and final == last:
                        return
                elif number >= most - 1:  # the last epoch is for what it returns
                    self._go.release()
                    continue
                else:
                    final = self._value(value)
                number, last = number + 1, final
                if number > self._done:
                    self._done = number
                    yield Epoch(number, {self._metric.name: final}, time.perf_counter() - began)
                began = time.perf_counter()
                if self.over:
                    return
                self._go.release()
        finally:
            self._stopped.set()
            self._go.release()
            thread.join(_PATIENCE)

    def _call(self) -> None:
        seed_everything(int(self._recipe["seed"]), 0)
        try:
            result = self._function(self.trial)
        except optuna.TrialPruned:
            self._messages.put(("error", StoppedItself("the objective raised TrialPruned")))
        except BaseException as error:  # whatever it is, it ends this thread
            self._messages.put(("error", error))
        else:
            self._messages.put(("result", result))

    def _report(self, value: float, step: int) -> None:
        self._messages.put(("report", value))
        self._go.acquire()

    def _value(self, value: Any) -> float:
        if isinstance(value, tuple | list):
            raise TrainableError(
                f"an objective must return one value, but returns {len(value)}", "search for one of them"
            )
        if isinstance(value, Mapping):
            raise TrainableError(
                "an objective must return one number, but returns a dict", "return its value"
            )
        return float(measured(value, self._metric, "objective", "return")[self._metric.name])

    def state_dict(self) -> TrainingState:
        return {"epochs": self._done, "over": self.over}

    def load_state_dict(self, state: TrainingState) -> None:
        self._done, self.over = state["epochs"], state["over"]
        if not self.over:
            values = "1 value is" if self._done == 1 else f"{self._done} values are"
            self.notes.append(
                f"an objective cannot be continued: it was called again from its start with the same "
                f"suggestions, and {values} on record as reported before"
            )

    def evaluate(self, test: Any) -> Evaluation:
        """Raises TrainableError: there is no test split, so nobody asks."""
        raise TrainableError("an objective has no test split, so its model cannot be evaluated")

    def save(self, folder: Path) -> list[Path]:
        return []


def _storable(distribution: BaseDistribution) -> BaseDistribution:
    """The distribution with choices that a journal can hold: others are their text."""
    if not isinstance(distribution, CategoricalDistribution):
        return distribution
    return CategoricalDistribution([_plain(choice) for choice in distribution.choices])


def _plain(choice: Any) -> Any:
    if choice is None or isinstance(choice, bool | int | str):
        return choice
    return choice if isinstance(choice, float) and math.isfinite(choice) else repr(choice)


def _given(distribution: BaseDistribution, stored: BaseDistribution, value: Any) -> Any:
    """The value as the objective gets it."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(stored.to_internal_repr(value))]
    return value


def _allows(distribution: BaseDistribution, value: Any) -> bool:
    """Whether the value of a recipe can be suggested."""
    if isinstance(distribution, CategoricalDistribution):
        return any(choice is value or choice == value for choice in distribution.choices)
    with suppress(TypeError, ValueError):
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    return False


def _drawn(distribution: BaseDistribution, seed: str | None) -> Any:
    """A random value; the middle of the range, or the first choice, without a seed."""
    share = 0.5
    if seed is not None:
        share = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:6], "big") / 2**48
    if isinstance(distribution, CategoricalDistribution):
        at = 0 if seed is None else int(share * len(distribution.choices))
        return distribution.choices[at]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    elif distribution.step is not None:
        count = math.floor((high - low) / distribution.step + 1e-9) + 1
        value = low + min(int(share * count), count - 1) * distribution.step
    else:
        value = low + share * (high - low)
    value = min(max(value, low), high)
    return round(value) if isinstance(distribution, IntDistribution) else float(np.float64(value))
