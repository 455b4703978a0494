"""The forms that a trainable may have: a module, which a plan names "mine", or a function or a class in it,
"mine:train" and "mine:Mine"."""

from __future__ import annotations

from pathlib import Path

from trainable.contract import Trainable, attribute_of, import_module, load_trainable
from trainable.function import Declaration, function_trainable
from trainable.torch_training import class_trainable

NOTHING = Declaration({})
"""For a trainable that says everything itself."""


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
    return function_trainable(module, attribute, declared)
