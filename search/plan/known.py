"""Recipes that are known before a search: the [[first]] tables of a plan, and what is enqueued later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from search.plan.fault import Fault, KeyPath, hint_clause, rule, shown
from search.plan.space import NotInSpace, Space

Record = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Returns the complete recipe with these values of hyperparameters, as a record has it; raises anything."""


def sampled_for(values: Mapping[str, Any], space: Space, record: Record) -> dict[str, Any]:
    """What a sampler would have to suggest for a recipe with these values of hyperparameters. Those left out
    have the default recipe's. Raises NotInSpace."""
    return space.decode(space.params_of({**record({}), **values}))


def faults_of(values: Mapping[str, Any], space: Space, record: Record, path: KeyPath) -> list[Fault]:
    """The reasons why a recipe with these values cannot be trained. path: where they are written."""
    faults = [
        Fault((*path, name), f"must be a hyperparameter of [space]{hint_clause(name, space.settings)}")
        for name in values
        if name not in space.settings
    ]
    if faults:
        return faults
    try:
        sampled = sampled_for(values, space, record)
        record(sampled)
    except NotInSpace as error:
        if error.name in values:
            needed = f"must be a value of [space], but got {shown(error.value)}"
        else:
            needed = f"must be given, since {shown(error.value)}, its default, is not in [space]"
        return [Fault((*path, error.name), needed)]
    except ValidationError as error:
        return [Fault(path, "; ".join(map(rule, error.errors())))]
    except Exception as error:  # a rule between fields, perhaps a user's own, may raise anything
        return [Fault(path, f"{type(error).__name__}: {error}")]
    unused = "must be left out, since the recipe does not use it: its `when` fails"
    return [Fault((*path, name), unused) for name in values if name not in sampled]
