"""The forms that a trainable may have: a module, which a plan names "mine", or a function or a class in it,
"mine:train" and "mine:Mine". A function may be Optuna's objective."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from trainable.contract import Metric, Trainable, attribute_of, import_module, load_trainable
from trainable.function import Declaration, function_trainable
from trainable.torch_training import class_trainable

NOTHING = Declaration({})
"""For a trainable that says everything itself."""


def is_objective(function: Any) -> bool:
    """Whether a function takes Optuna's trial: its first parameter is called `trial`, or annotated as one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    if not parameters:
        return False
    annotation = parameters[0].annotation
    return parameters[0].name == "trial" or getattr(annotation, "__name__", str(annotation)).endswith("Trial")


def trainable_of(name: str, declared: Declaration = NOTHING, folder: Path | None = None) -> Trainable:
    """Returns what a plan names, as the four names of the contract.

    declared: what the plan says of a trainable that does not say it itself; unused for a module. folder: the
    plan's; None if that is unknown. Raises NotATrainable.
    """
    attribute = attribute_of(name)
    if attribute is None:
        return load_trainable(name, folder)
    module = import_module(name, folder)
    named = getattr(module, attribute, None)
    if isinstance(named, type):
        return class_trainable(named, module, name, declared)
    if named is not None and is_objective(named):
        from trainable.objective import objective_trainable  # optuna takes 0.3 s, which no other form needs

        own = getattr(module, "METRIC", None)
        return objective_trainable(named, own if isinstance(own, Metric) else None, declared)
    return function_trainable(module, attribute, declared)
