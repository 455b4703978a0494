"""The plan of a search that is described in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchsweep.errors import UsageError
from benchsweep.python.located import Given, located
from search.plan.optuna_script import script_of
from search.plan.override import Override
from search.plan.plan import Plan
from trainable.contract import Metric

Trained = Given | Path | Plan
"""What a search trains: a function, a class, a module or the name of one; or a plan, or its file's path."""
ORIGIN = "the arguments"
"""What faults name as the place of what is wrong."""


def plan_of_arguments(
    trainable: Trained,
    *,
    name: str | None,
    minimize: str | None,
    maximize: str | None,
    given: Mapping[str, Any],
) -> Plan:
    """The plan of a search, checked as a plan file is.

    trainable: a function, a class, a module or its name, with the rest of the plan in `given`; or a Plan, the
    path of a plan file or "cnn.py:objective", which `given` changes. given: tables of a plan by name, in the
    forms that `benchsweep.run` describes; None is left out. Raises PlanError, and NotFindable or NotWritable
    for what cannot be imported by workers.
    """
    tables = {key: _table(key, value) for key, value in given.items() if value is not None}
    metric = _metric(minimize, maximize, tables.get("metric"))
    if metric is not None:
        tables["metric"] = metric
    if isinstance(trainable, Path | Plan) or _is_file(trainable):
        changes = [*_changes(tables), *([] if name is None else [Override(ORIGIN, ("name",), name)])]
        if isinstance(trainable, Plan):
            return Plan.parse(trainable.to_table(), ORIGIN, changes, trainable.folder)
        return Plan.read(str(trainable), changes)
    found = located(trainable, name)
    table = {"name": name or found.title, "trainable": found.name, **tables}
    return Plan.parse(table, ORIGIN, folder=found.folder)


def _is_file(trainable: object) -> bool:
    return isinstance(trainable, str) and (trainable.endswith(".toml") or script_of(trainable) is not None)


def _changes(tables: Mapping[str, Any]) -> list[Override]:
    """Each key of each table as a change to a plan."""
    changes = []
    for table, value in tables.items():
        if isinstance(value, dict):
            changes += [Override(f"{ORIGIN} {table}", (table, key), each) for key, each in value.items()]
        else:
            changes.append(Override(ORIGIN, (table,), value))
    return changes


def changes_of(given: Mapping[str, Any]) -> list[Override]:
    """What `benchsweep.extend` changes of a run's plan. given: as in `plan_of_arguments`."""
    return _changes({key: _table(key, value) for key, value in given.items() if value is not None})


def _metric(minimize: str | None, maximize: str | None, table: Any) -> dict[str, Any] | None:
    named = [each for each in (minimize, maximize) if each is not None]
    if not named:
        return None
    if len(named) == 2 or (isinstance(table, dict) and "name" in table):
        raise UsageError(
            f"one metric is optimized, but several are named: {', '.join(map(repr, named))}",
            'write minimize="loss" alone',
        )
    direction = "maximize" if minimize is None else "minimize"
    return {**(table or {}), "name": named[0], "direction": direction}


def _table(name: str, value: Any) -> Any:
    """What a plan file would have for an argument."""
    if name == "budget" and isinstance(value, int) and not isinstance(value, bool):
        return {"trials": value}
    if name == "budget" and isinstance(value, str):
        return {"wall_time": value}
    if name in ("sampler", "pruner") and isinstance(value, str):
        return {"name": value}
    if name == "confirmation" and value is False:
        return {"candidates": 0}
    if name == "metric" and isinstance(value, Metric):
        return value.to_json()
    if name == "space" and isinstance(value, Mapping):
        return {str(key): _domain(each) for key, each in value.items()}
    return _plain(value)


def _domain(value: Any) -> Any:
    """A hyperparameter of a space: a list is its choices, a tuple of two numbers its range."""
    if isinstance(value, tuple) and len(value) == 2:
        low, high = map(_plain, value)
        return {"low": low, "high": high}
    plain = _plain(value)
    return {"choices": plain} if isinstance(plain, list) else plain


def _plain(value: Any) -> Any:
    """The value as a TOML file would give it: numbers of NumPy and torch as Python's, sequences as lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, str | bytes | bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return value.item()
    if isinstance(value, Sequence | range):
        return [_plain(each) for each in value]
    return value
