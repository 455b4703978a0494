"""A change to a plan from the command line: `space.dropout.high=0.4`."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.plan.fault import Fault, KeyPath, meant, shown


@dataclass(frozen=True, slots=True)
class Override:
    """A change to one key of a plan."""

    origin: str
    """The option that asked for it, as the user wrote it: `--set budget.trials=60`, `--dataset digits`."""
    path: KeyPath
    """The keys that lead to the value, outermost first."""
    value: Any
    """The new value; None deletes the key."""

    @classmethod
    def parse(cls, text: str) -> Override | Fault:
        """`table.key=value`: the value as TOML writes it, anything else is text; none deletes the key."""
        keys, equals, written = text.partition("=")
        path = tuple(key.strip() for key in keys.split("."))
        if not equals or not all(path):
            rule = "must be written table.key=value, as in budget.trials=60"
            return Fault((), rule, f"--set {text}")
        return cls(f"--set {text}", path, _value(written.strip()))

    def touches(self, fault: Fault) -> bool:
        """Whether the fault stands where this change was made, or in the setting it is part of."""
        near = min(len(self.path), len(fault.path))
        within = near == len(self.path) or near > 1
        return within and near > 0 and self.path[:near] == fault.path[:near]


def _value(written: str) -> Any:
    if not written:
        return None
    try:
        table = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    return table["value"] if table.keys() == {"value"} else written


def overridden(
    table: Mapping[str, Any], changes: Iterable[str | Override]
) -> tuple[dict[str, Any], list[Override], list[Fault]]:
    """A copy of the plan's table with every change made, the changes, and what was wrong with them.

    Another `name` for a sampler or pruner comes first and starts its table afresh: the settings
    of the one before are not its own.
    """
    parsed = [Override.parse(change) if isinstance(change, str) else change for change in changes]
    faults = [one for one in parsed if isinstance(one, Fault)]
    overrides = [one for one in parsed if isinstance(one, Override)]
    changed = copy.deepcopy(dict(table))
    for override in sorted(overrides, key=lambda one: not _renames(one)):
        faults += _change(changed, override)
    return changed, overrides, faults


def blamed(faults: Sequence[Fault], overrides: Sequence[Override]) -> list[Fault]:
    """The faults, each with the last change that touches it as its origin."""
    named = []
    for fault in faults:
        origins = [override.origin for override in overrides if override.touches(fault)]
        named.append(replace(fault, origin=origins[-1]) if origins and fault.origin is None else fault)
    return named


def _renames(override: Override) -> bool:
    return override.path[0] in ("sampler", "pruner") and override.path[-1] == "name"


def _change(table: dict[str, Any], override: Override) -> list[Fault]:
    for depth, key in enumerate(override.path[:-1], start=1):
        inner = table.setdefault(key, {}) if override.value is not None else table.get(key, {})
        if not isinstance(inner, dict):
            place = ".".join(override.path[:depth])
            return [Fault((), f"{place} must be a table, but is {shown(inner)}", override.origin)]
        table = inner
    key = override.path[-1]
    if override.value is None:
        if key not in table:
            rule = f"there is no {'.'.join(override.path)} to delete{meant(key, table)}"
            return [Fault((), rule, override.origin)]
        del table[key]
    elif _renames(override) and table.get(key, override.value) != override.value:
        table.clear()
        table[key] = override.value
    else:
        table[key] = override.value
    return []
