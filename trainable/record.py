"""The fields of a recipe or a source as a record holds them, and back.

A record holds JSON values under the names of the fields. Aliases, which belong to a model's other uses, and
computed fields, which follow from the others, are not part of it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json

M = TypeVar("M", bound=BaseModel)


class NotRecordable(ValueError):
    """A model has a value that a record cannot hold."""

    def __init__(self, rule: str, field: str | None = None) -> None:
        super().__init__(rule if field is None else f"{field}: {rule}")
        self.rule = rule
        """The rule and the value that breaks it."""
        self.field = field
        """Name of the field; None if it concerns the whole model."""


def to_record(model: BaseModel) -> dict[str, Any]:
    """Returns the fields by name, as JSON values. A set becomes a sorted list.

    Raises NotRecordable if a field is excluded from serialization, or has no finite JSON value.
    """
    dumped: Any = model.model_dump(mode="json", by_alias=False, round_trip=True, warnings="none")
    if not isinstance(dumped, dict):
        raise NotRecordable(f"must be serialized as its fields, but {type(model).__name__} is {dumped!r}")
    for name in type(model).model_fields:
        if name not in dumped:
            raise NotRecordable("must be recorded, but is excluded from serialization", name)
    record = _stable(model, dumped)
    for name, value in record.items():
        if not _finite(value):
            raise NotRecordable(f"must be finite to be recorded, but got {value!r}", name)
    return dict(record)


def from_record(kind: type[M], values: Mapping[str, Any]) -> M:
    """Returns the model with these values; the inverse of `to_record`.

    The values are read as JSON, in which a list may become a tuple or a set even in a strict model. Raises
    pydantic's ValidationError, and whatever the model's own checks raise.
    """
    return kind.model_validate_json(to_json(values, inf_nan_mode="constants"), by_alias=False, by_name=True)


def _stable(value: Any, dumped: Any) -> Any:
    """`dumped` with each list that came from a set in an order that does not depend on hashes."""
    if isinstance(dumped, list):
        if not isinstance(value, list | tuple | set | frozenset) or len(value) != len(dumped):
            return dumped
        items = [_stable(*pair) for pair in zip(value, dumped, strict=True)]
        return sorted(items, key=_rank) if isinstance(value, set | frozenset) else items
    if not isinstance(dumped, dict):
        return dumped
    if isinstance(value, Mapping) and len(value) == len(dumped):
        inner = dict(zip(dumped, value.values(), strict=True))
    elif isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        inner = {key: getattr(value, key, None) for key in dumped}
    else:
        return dumped
    return {key: _stable(inner[key], item) for key, item in dumped.items()}


def _rank(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, value if number else 0.0, json.dumps(value, sort_keys=True)


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
