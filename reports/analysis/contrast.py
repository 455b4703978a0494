"""What several runs have otherwise: rows of their plans, spaces and environments that are not alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reports.formatting.wording import NOTHING, setting, shorten
from search.plan.fault import shown
from search.records.sweep import Sweep

ABSENT = object()
_NAMES = ("name",)


class Contrast(NamedTuple):
    """A key, and its value in each run, in the runs' order, as people read it; "–" where it has none."""

    key: str
    values: tuple[str, ...]


def plan_contrasts(sweeps: Sequence[Sweep]) -> tuple[Contrast, ...]:
    """The keys of the plans in force that differ, without the space and the runs' names."""
    plans = [
        {key: value for key, value in sweep.plan.table.items() if key not in (*_NAMES, "space")}
        for sweep in sweeps
    ]
    return _contrasts([_flat(plan) for plan in plans], _shown)


def space_contrasts(sweeps: Sequence[Sweep]) -> tuple[Contrast, ...]:
    """The settings that are not searched alike; where one run does not search a setting, the value that its
    plan's [recipe] gives it."""
    spaces = [_table(sweep.plan.table.get("space")) for sweep in sweeps]
    recipes = [sweep.plan.recipe for sweep in sweeps]
    names = dict.fromkeys(name for space in spaces for name in space)
    made = []
    for name in names:
        told = [space.get(name, ABSENT) for space in spaces]
        if all(_same(each, told[0]) for each in told):
            continue
        words = [
            _range(spec) if spec is not ABSENT else _fixed(recipe.get(name, ABSENT))
            for spec, recipe in zip(told, recipes, strict=True)
        ]
        made.append(Contrast(name, tuple(words)))
    return tuple(made)


def environment_contrasts(sweeps: Sequence[Sweep]) -> tuple[Contrast, ...]:
    """The rows of the environments of the last starts that differ: versions, commit, machine, threads."""
    return _contrasts([_flat(sweep.environment) for sweep in sweeps], _shown)


def _contrasts(
    tables: Sequence[Mapping[str, Any]], words: Callable[[Sequence[Any]], tuple[str, ...]]
) -> tuple[Contrast, ...]:
    keys = dict.fromkeys(key for table in tables for key in table)
    told = [(key, [table.get(key, ABSENT) for table in tables]) for key in keys]
    return tuple(
        Contrast(key, words(values)) for key, values in told if not all(_same(v, values[0]) for v in values)
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested table by dotted keys; a table that is empty is a value."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _same(one: Any, other: Any) -> bool:
    """Equal, and of one kind: true is not 1. NaN is itself."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return isinstance(one, bool) == isinstance(other, bool) and (one == other or shown(one) == shown(other))


def _shown(values: Sequence[Any]) -> tuple[str, ...]:
    """In four digits, or where these would make different values look alike, in all."""
    short = [NOTHING if value is ABSENT else setting(value) for value in values]
    kinds = {(word, repr(value)) for word, value in zip(short, values, strict=True)}
    if len({word for word, _ in kinds}) == len(kinds):
        return tuple(short)
    return tuple(NOTHING if value is ABSENT else shorten(shown(value)) for value in values)


def _range(spec: Any) -> str:
    """ "0.0003 to 0.01, log", "one of constant, step", with what it hangs on."""
    if not isinstance(spec, Mapping):
        return setting(spec)
    rest = {key: value for key, value in spec.items() if key not in ("low", "high", "log", "choices", "when")}
    parts = []
    if "choices" in spec:
        choices = spec["choices"]
        listed = choices if isinstance(choices, list | tuple) else [choices]
        parts.append(f"one of {', '.join(setting(choice) for choice in listed)}")
    elif "low" in spec and "high" in spec:
        parts.append(f"{_number(spec['low'])} to {_number(spec['high'])}")
    if spec.get("log"):
        parts.append("log")
    parts += [f"{key} {setting(value)}" for key, value in rest.items()]
    when = spec.get("when")
    if isinstance(when, Mapping):
        parts.append("when " + " and ".join(f"{key} = {setting(value)}" for key, value in when.items()))
    return shorten(", ".join(parts)) or setting(spec)


def _number(value: Any) -> str:
    return shown(value)


def _fixed(value: Any) -> str:
    return "not searched" if value is ABSENT else f"not searched: {setting(value)}"
