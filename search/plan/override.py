"""Changes to a plan from the command line, such as `space.dropout.high=0.4`."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.plan.fault import Fault, KeyPath, cut, dotted, hint_clause, shown
from search.plan.limits import DEEP, MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Override:
    """A change to one key of a plan."""

    origin: str
    """The option that asked for it, as the user wrote it: `--set budget.trials=60`, `--dataset digits`."""
    path: KeyPath
    """The keys that lead to the value, outermost first."""
    value: Any
    """The new value; None deletes the key."""
    written: str | None = None
    """The value as the user wrote it; None if it is a string already, or was not written."""

    @classmethod
    def parse(cls, text: str, option: str = "--set") -> Override | Fault:
        """Parse `table.key=value`. The value is TOML, otherwise a string; without a value the key is
        deleted. option: what it was given with."""
        origin = f"{option} {cut(text)}"
        if (match := _CHANGE.fullmatch(text)) is None:
            return Fault((), "must be written table.key=value, as in budget.trials=60", origin)
        path = tuple(_key(part) for part in _PART.findall(match["keys"]))
        if len(path) > MAX_DEPTH:
            return Fault((), DEEP, origin)
        written = match["value"].strip()
        value = _value(written)
        return cls(origin, path, value, None if value is None or isinstance(value, str) else written)

    def touches(self, fault: Fault) -> bool:
        """Whether the fault is in the changed value, or in the hyperparameter that it is part of."""
        depth = min(len(self.path), len(fault.path))
        within = depth == len(self.path) or depth > 1
        return within and depth > 0 and self.path[:depth] == fault.path[:depth]


_QUOTED = r""""(?:[^"\\]|\\.)*+"|'[^']*+'"""
_PART = re.compile(rf"""{_QUOTED}|[^\s."'=](?:[^.=]*[^\s.=])?""")
_KEY = rf"\s*(?:{_PART.pattern})\s*"
_CHANGE = re.compile(rf"(?P<keys>{_KEY}(?:\.{_KEY})*+)=(?P<value>.*)", re.DOTALL)


def _key(written: str) -> str:
    """The key that TOML writes like this; with quotes that it does not understand, the text itself."""
    if written[0] not in "\"'":
        return written
    value = _value(written)
    return value if isinstance(value, str) else written


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
    """A copy of the plan's table with all changes, the changes, and their faults.

    A new `name` of a sampler or pruner is applied first, and clears its table, since another sampler has
    other settings.
    """
    parsed = [Override.parse(change) if isinstance(change, str) else change for change in changes]
    faults = [result for result in parsed if isinstance(result, Fault)]
    overrides = [result for result in parsed if isinstance(result, Override)]
    changed = copy.deepcopy(dict(table))
    for override in sorted(overrides, key=lambda override: not _renames(override)):
        faults += _change(changed, override)
    return changed, overrides, faults


def with_origins(faults: Sequence[Fault], overrides: Sequence[Override]) -> list[Fault]:
    """The faults, each with the last change that touches it as its origin, if there is one."""
    attributed = []
    for fault in faults:
        origins = [override.origin for override in overrides if override.touches(fault)]
        attributed.append(replace(fault, origin=origins[-1]) if origins and fault.origin is None else fault)
    return attributed


def as_text(overrides: Sequence[Override], faults: Iterable[Fault]) -> list[Override]:
    """The overrides, of which those with a faulty value have it as text: a key that holds text takes 7593."""
    faulty = {fault.path[: len(override.path)] for fault in faults for override in overrides}
    return [
        replace(override, value=override.written, written=None)
        if override.written is not None and override.path in faulty
        else override
        for override in overrides
    ]


def _renames(override: Override) -> bool:
    return override.path[0] in ("sampler", "pruner") and override.path[-1] == "name"


def _change(table: dict[str, Any], override: Override) -> list[Fault]:
    for depth, key in enumerate(override.path[:-1], start=1):
        inner = table.setdefault(key, {}) if override.value is not None else table.get(key, {})
        if not isinstance(inner, dict):
            parent = dotted(override.path[:depth])
            return [Fault((), f"{parent} must be a table, but is {shown(inner)}", override.origin)]
        table = inner
    key = override.path[-1]
    if override.value is None:
        if key not in table:
            rule = f"{dotted(override.path)} must exist to be deleted{hint_clause(key, table)}"
            return [Fault((), rule, override.origin)]
        del table[key]
    elif _renames(override) and table.get(key, override.value) != override.value:
        table.clear()
        table[key] = override.value
    else:
        table[key] = override.value
    return []
