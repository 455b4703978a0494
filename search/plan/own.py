"""A sampler or a pruner of the user's: a class of Optuna's kind in a module, named "mine:MySampler"."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from search.plan.fault import Fault, KeyPath, shown
from trainable.contract import NotATrainable, attribute_of, import_module, place_of
from trainable.errors import BenchsweepError

PATTERN = r"^[^:\s]+:[A-Za-z_]\w*$"
"""Of a name that is a module's and a class's."""


class OwnClassFailed(BenchsweepError, RuntimeError):
    """A sampler or a pruner of the user's raised."""

    @classmethod
    def of(cls, name: str, about: str, error: Exception) -> OwnClassFailed:
        """name: of the class. about: what it was asked."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        return cls(
            f"{name} must not fail, but {about} raised {type(error).__name__}: {error}{place}",
            "mend it, and resume the run",
        )


def is_own(table: object) -> bool:
    """Whether a table names a class of the user's."""
    return isinstance(table, Mapping) and ":" in str(table.get("name", ""))


def settings_of(model: BaseModel) -> dict[str, Any]:
    """The arguments that the plan gives to the class: all keys that are not benchsweep's own."""
    return dict(model.model_extra or {})


def class_of(name: str, kind: Literal["sampler", "pruner"], folder: Path | None) -> type[Any]:
    """The class "mine:MySampler". folder: the plan's. Raises NotATrainable."""
    module = import_module(name, folder, kind)
    found = getattr(module, attribute_of(name) or "", None)
    # Only who names a class of their own has to wait for optuna, which takes 0.3 s.
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    base: type[Any] = BaseSampler if kind == "sampler" else BasePruner
    if not (isinstance(found, type) and issubclass(found, base)):
        got = f"{module.__name__} has no such class" if found is None else f"it is {shown(found)}"
        raise NotATrainable(
            f"{name} must be a class that is derived from optuna.{kind}s.{base.__name__}, but {got}",
            f"write class {attribute_of(name)}(optuna.{kind}s.{base.__name__}): …",
        )
    return found


def faults(
    model: BaseModel, name: str, kind: Literal["sampler", "pruner"], folder: Path | None
) -> list[Fault]:
    """The reasons why the class cannot be made with the plan's arguments."""
    path: KeyPath = (kind,)
    try:
        known = class_of(name, kind, folder)
    except NotATrainable as error:
        return [Fault((*path, "name"), str(error))]
    try:
        inspect.signature(known).bind(**settings_of(model))
    except TypeError as error:
        return [Fault(path, f"must have the arguments of {name}{inspect.signature(known)}, but: {error}")]
    except ValueError:  # a class of another language, which has no signature
        pass
    return []


def accepts_seed(known: type[Any]) -> bool:
    """Whether the class takes a seed."""
    try:
        return "seed" in inspect.signature(known).parameters
    except ValueError:
        return False


def own_place(name: str, folder: Path | None) -> Path | None:
    """The folder in which the module of "mine:MySampler" lies; None for one that is installed."""
    return place_of(name, folder) if ":" in name else None
