"""How several runs differ: in their plans, search spaces and environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reports.formatting.wording import NOTHING, setting, shorten
from search.plan.fault import shown
from search.records.sweep import Sweep

ABSENT = object()
"""The value of a key that a run does not have."""

_NAMES = ("name",)


class Contrast(NamedTuple):
    """A key with different values in different runs."""

    key: str
    """Dotted: "pruner.min_resource"."""
    values: tuple[str, ...]
    """As text, one per run, in the runs' order; "–" for a run without the key."""


def plan_contrasts(sweeps: Sequence[Sweep]) -> tuple[Contrast, ...]:
    """The keys in which the plans in force differ, except the search space and the runs' names."""
    plans = [
        {key: value for key, value in sweep.plan.table.items() if key not in (*_NAMES, "space")}
        for sweep in sweeps
    ]
    return _contrasts([_flat(plan) for plan in plans], _shown)


def space_contrasts(sweeps: Sequence[Sweep]) -> tuple[Contrast, ...]:
    """The hyperparameters whose search ranges differ; for a run that does not search one, the value in its
    plan's [recipe]."""
    spaces = [_table(sweep.plan.table.get("space")) for sweep in sweeps]
    recipes = [sweep.plan.recipe for sweep in sweeps]
    names = dict.fromkeys(name for space in spaces for name in space)
    contrasts = []
    for name in names:
        specs = [space.get(name, ABSENT) for space in spaces]
        if all(_same(spec, specs[0]) for spec in specs):
            continue
        words = [
            _range(spec) if spec is not ABSENT else _fixed(recipe.get(name, ABSENT))
            for spec, recipe in zip(specs, recipes, strict=True)
        ]
        contrasts.append(Contrast(name, tuple(words)))
    return tuple(contrasts)


def environment_contrasts(sweeps: Sequence[Sweep]) -> tuple[Contrast, ...]:
    """The keys in which the environments of the last starts differ: versions, commit, machine, threads."""
    return _contrasts([_flat(sweep.environment) for sweep in sweeps], _shown)


def _contrasts(
    tables: Sequence[Mapping[str, Any]], words: Callable[[Sequence[Any]], tuple[str, ...]]
) -> tuple[Contrast, ...]:
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = [(key, [table.get(key, ABSENT) for table in tables]) for key in keys]
    return tuple(
        Contrast(key, words(values)) for key, values in rows if not all(_same(v, values[0]) for v in values)
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested table by dotted keys; an empty table is a value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _same(one: Any, other: Any) -> bool:
    """Whether both are equal: true is not 1, and NaN equals NaN."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return isinstance(one, bool) == isinstance(other, bool) and (one == other or shown(one) == shown(other))


def _shown(values: Sequence[Any]) -> tuple[str, ...]:
    """To four significant digits; with all digits if different values would otherwise look alike."""
    short = [NOTHING if value is ABSENT else setting(value) for value in values]
    distinct = {(text, repr(value)) for text, value in zip(short, values, strict=True)}
    if len({text for text, _ in distinct}) == len(distinct):
        return tuple(short)
    return tuple(NOTHING if value is ABSENT else shorten(shown(value)) for value in values)


def _range(spec: Any) -> str:
    """ "0.0003 to 0.01, log", "one of constant, step, when optimizer = sgd"."""
    if not isinstance(spec, Mapping):
        return setting(spec)
    rest = {key: value for key, value in spec.items() if key not in ("low", "high", "log", "choices", "when")}
    parts = []
    if "choices" in spec:
        choices = spec["choices"]
        listed = choices if isinstance(choices, list | tuple) else [choices]
        parts.append(f"one of {', '.join(setting(choice) for choice in listed)}")
    elif "low" in spec and "high" in spec:
        parts.append(f"{shown(spec['low'])} to {shown(spec['high'])}")
    if spec.get("log"):
        parts.append("log")
    parts += [f"{key} {setting(value)}" for key, value in rest.items()]
    when = spec.get("when")
    if isinstance(when, Mapping):
        parts.append("when " + " and ".join(f"{key} = {setting(value)}" for key, value in when.items()))
    return shorten(", ".join(parts)) or setting(spec)


def _fixed(value: Any) -> str:
    return "not searched" if value is ABSENT else f"not searched: {setting(value)}"
