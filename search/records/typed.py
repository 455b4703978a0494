"""Whether a record holds what its type says: a run's files may come from anywhere, JSON holds anything."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_Check = Callable[[Any], bool]


def typed(record: T) -> T:
    """The dataclass `record`, if each of its fields, and those of the dataclasses in it, is of the type that
    it is annotated with. A float must be finite, except in a mapping, and may be written as a whole number. A
    time must have its zone.

    Raises TypeError with the name of the first field that is not.
    """
    for name, check in _field_checks(cast(Hashable, type(record))):
        if not check(value := getattr(record, name)):
            text = repr(value)
            text = text if len(text) <= 80 else f"{text[:77]}..."
            raise TypeError(f"{name} of a {type(record).__name__} has the wrong type: {text}")
    return record


@cache
def _field_checks(kind: Hashable) -> tuple[tuple[str, _Check], ...]:
    hints = get_type_hints(cast(type, kind))
    return tuple((field.name, _check_of(hints[field.name])) for field in fields(cast(Any, kind)))


@cache
def _check_of(annotation: Any) -> _Check:
    """Whether a value is of the annotation's type."""
    if annotation is Any:
        return lambda value: True
    if annotation is None or annotation is type(None):
        return lambda value: value is None
    if annotation is float:
        return _is_finite
    if annotation is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    if annotation is datetime:
        return lambda value: isinstance(value, datetime) and value.tzinfo is not None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        checks = [_check_of(argument) for argument in arguments]
        return lambda value: any(check(value) for check in checks)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is tuple and arguments[-1:] == (...,):
        item = _check_of(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(item, value))
    if origin is tuple:
        parts = [_check_of(argument) for argument in arguments]
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(parts)
            and all(check(part) for check, part in zip(parts, value, strict=True))
        )
    if origin is Mapping:
        item = _is_number if arguments[1] is float else _check_of(arguments[1])
        return lambda value: (
            isinstance(value, Mapping)
            and all(isinstance(key, str) and item(part) for key, part in value.items())
        )
    if origin is Sequence:
        item = _check_of(arguments[0])
        return lambda value: (
            isinstance(value, Sequence) and not isinstance(value, str) and all(map(item, value))
        )
    if isinstance(annotation, type) and is_dataclass(annotation):
        return lambda value: isinstance(value, annotation) and typed(value) is value
    return lambda value: isinstance(value, origin or annotation)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)
