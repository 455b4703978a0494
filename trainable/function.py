"""A function as a trainable: `trainable = "mine:train"`.

    def train(recipe):                  # a dict of the plan's [recipe] and [space] values
        for epoch in range(5):
            ...
            yield {"loss": loss}        # after each epoch; or without epochs: return loss

The function has no Recipe and no METRIC: the plan has its hyperparameters, and its metric in [metric]. It
loads its own data, and has no test split.
"""

from __future__ import annotations

import difflib
import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from trainable.contract import Metric, NotATrainable, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation
from trainable.record import to_record
from trainable.user_code import TrainableError

Function = Callable[[dict[str, Any]], Any]
"""Takes the recipe. Yields metrics by name after each epoch, or returns them, or one number, at its end."""

_KINDS = (bool, int, float, str)
"""The types of hyperparameters that are checked; any other value is taken as it is."""


@dataclass(frozen=True)
class Declaration:
    """What a plan, or an assignment, says of a trainable that does not say it itself."""

    defaults: Mapping[str, Any]
    """The hyperparameters by name, with their values in the default recipe. The type of the value is that of
    the hyperparameter; None for any type."""
    metric: Metric | None = None
    """What the search optimizes; None if it is not said."""
    draws: int | None = None
    """Of an objective, the seed of the values that the recipe does not have; None for the middle of each
    range."""


class UndeclaredMetric(NotATrainable):
    """A function whose metric neither the plan nor its module names."""


class Source(BaseModel):
    """A function loads its own data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    load_test: ClassVar[None] = None
    """There is no test split."""

    def load(self, folder: Path) -> None:
        """Returns nothing to send to workers."""


@dataclass
class FunctionTrainable:
    """The four names of the contract, made of a function."""

    function: Function
    """The user's."""
    Recipe: type[BaseModel]
    METRIC: Metric
    Source: type[BaseModel] = Source
    CONTINUES: ClassVar[bool] = False

    def Training(self, recipe: BaseModel, data: None, device: str, threads: int) -> FunctionTraining:  # noqa: N802
        return FunctionTraining(self.function, recipe, self.METRIC)


def function_trainable(module: ModuleType, name: str, declared: Declaration) -> FunctionTrainable:
    """Returns the function `name` of `module` as a trainable. Raises NotATrainable if it is none that takes a
    recipe, and UndeclaredMetric."""
    where = f"{module.__name__}:{name}"
    function = getattr(module, name, None)
    if not callable(function) or isinstance(function, type):
        known = [each for each, value in vars(module).items() if inspect.isfunction(value)]
        near = difflib.get_close_matches(name, known, n=1)
        raise NotATrainable(
            f"the trainable {where} must be a function, but {module.__name__} has no function {name}",
            f"did you mean {near[0]}?" if near else f"write def {name}(recipe): …",
        )
    try:
        inspect.signature(function).bind({})
    except TypeError as error:
        raise NotATrainable(
            f"the trainable {where} must take the recipe alone, but: {error}", f"write def {name}(recipe): …"
        ) from error
    except ValueError:  # a function of another language, which has no signature
        pass
    own = getattr(module, "METRIC", None)
    metric = own if isinstance(own, Metric) else declared.metric
    if metric is None:
        raise UndeclaredMetric(
            f"the metric of the function {where} must be named, but is not",
            'write [metric] with name = "loss" and direction = "minimize" in the plan',
        )
    if inspect.isgeneratorfunction(function) and "epochs" not in declared.defaults:
        raise NotATrainable(
            f"{where} yields after each epoch, so the plan must say how many epochs that are, but does not",
            "write epochs = 10 in [recipe]: a trial ends after so many, or when the function does",
        )
    return FunctionTrainable(function, recipe_model(declared.defaults), metric)


def _as_json(defaults: Mapping[str, Any]) -> str:
    """The hyperparameters as JSON. Raises NotATrainable for names and values that a recipe cannot have."""
    for name in defaults:
        if not name or name.startswith("_") or hasattr(BaseModel, name):
            raise NotATrainable(f"a hyperparameter of a function cannot be called {name!r}", "rename it")
    try:
        return json.dumps(dict(defaults))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotATrainable(
            f"the hyperparameters of a function must be plain values of JSON, but: {error}",
            "write it as text",
        ) from error


def recipe_model(defaults: Mapping[str, Any], epochs: int = 1) -> type[BaseModel]:
    """Returns the model of a recipe with these hyperparameters. epochs: how many, if they do not say. Raises
    NotATrainable for names and values that a recipe cannot have."""
    return _recipe_model(_as_json(defaults), epochs)


@lru_cache(maxsize=64)
def _recipe_model(defaults: str, epochs: int) -> type[BaseModel]:
    """Made once for the same hyperparameters, as JSON, since that takes milliseconds."""
    fields: dict[str, Any] = {"epochs": (int, Field(epochs, ge=1)), "seed": (int, 0)}
    for name, value in json.loads(defaults).items():
        if name in fields and isinstance(value, int):
            fields[name] = (int, Field(value, ge=1) if name == "epochs" else value)
            continue
        fields[name] = (type(value) if type(value) in _KINDS else Any, value)
    config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    return create_model("Recipe", __config__=config, **fields)


class FunctionTraining:
    """One call of the function. It cannot be continued: after a restore, it is called again, and the epochs
    that are on record are trained but not yielded."""

    notes: list[str]
    """Sentences to record with the trial."""

    def __init__(self, function: Function, recipe: BaseModel, metric: Metric) -> None:
        self._function = function
        self._recipe = recipe
        self._metric = metric
        self._done = 0
        self.over = False
        self.notes = []

    def __iter__(self) -> Iterator[Epoch]:
        epochs = int(getattr(self._recipe, "epochs"))  # noqa: B009  a field that this module adds
        if self.over or self._done >= epochs:
            return
        began = time.perf_counter()
        for number, metrics in enumerate(self._measured(), 1):
            if number > self._done:
                seconds = time.perf_counter() - began
                self._done = number
                yield Epoch(number, metrics, seconds)
            if number >= epochs:
                break
            began = time.perf_counter()

    def _measured(self) -> Iterator[Mapping[str, float]]:
        """The metrics after each epoch. Raises TrainableError if they are none."""
        result = self._function(dict(to_record(self._recipe)))
        if not isinstance(result, Iterator):
            self.over = True
            yield measured(result, self._metric, "function", "return")
            return
        for value in result:
            yield measured(value, self._metric, "function", "yield")

    def state_dict(self) -> TrainingState:
        return {"epochs": self._done, "over": self.over}

    def load_state_dict(self, state: TrainingState) -> None:
        stored: dict[str, Any] = dict(state)
        self._done, self.over = stored["epochs"], stored["over"]
        if not self.over and self._done < int(getattr(self._recipe, "epochs")):  # noqa: B009  as above
            epochs = "epoch 1 is" if self._done == 1 else f"epochs 1 to {self._done} are"
            self.notes.append(
                f"a function cannot be continued: it was called again from its start, and {epochs} on record "
                f"as trained before"
            )

    def evaluate(self, test: Any) -> Evaluation:
        """Raises TrainableError: there is no test split, so nobody asks."""
        raise TrainableError("a function has no test split, so its model cannot be evaluated")

    def save(self, folder: Path) -> list[Path]:
        return []


def measured(value: Any, metric: Metric, member: str, verb: str) -> Mapping[str, float]:
    """Returns what a member of the trainable yielded or returned (verb), as metrics by name. Raises
    TrainableError if that is none, or lacks the metric."""
    if hasattr(value, "__float__") and not getattr(value, "shape", ()):  # a number, in whichever library
        return {metric.name: value}
    if isinstance(value, Mapping) and metric.name in value:
        return value
    got = f"has only {', '.join(map(repr, value))}" if isinstance(value, Mapping) else f"is {_shown(value)}"
    raise TrainableError(
        f"the trainable's {member} must {verb} its metrics by name, among them {metric.name!r}, but what it "
        f"{verb}s {got}",
        f'{verb} {{"{metric.name}": …}}',
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return (
        f"a {type(value).__name__}, {text if len(text) <= 60 else text[:57] + '...'}"
        if value is not None
        else "None"
    )
