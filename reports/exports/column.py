"""One hyperparameter over all trials, with values of one type, for typed tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

_LARGEST_INT = 2**63 - 1
_LARGEST_EXACT = 2**53  # up to here every integer is exactly a float


class TypedColumn(NamedTuple):
    """Values of one type."""

    kind: Literal["boolean", "integer", "number", "text", "json"]
    """The type; "json" is JSON text, for lists, tables and values of several types."""
    values: list[Any]
    """One per trial; None if the trial has none."""


def column(values: Sequence[Any]) -> TypedColumn:
    """Plain JSON values as a column. None is missing; integers among floats become floats if that is
    exact."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present):
        return TypedColumn("boolean", list(values))
    if not any(isinstance(value, bool) or not isinstance(value, int | float) for value in present):
        integers = [value for value in present if isinstance(value, int)]
        if (
            present
            and len(integers) == len(present)
            and all(-_LARGEST_INT <= value <= _LARGEST_INT for value in integers)
        ):
            return TypedColumn("integer", list(values))
        if all(-_LARGEST_EXACT <= value <= _LARGEST_EXACT for value in integers):
            return TypedColumn("number", [None if value is None else float(value) for value in values])
    if all(isinstance(value, str) for value in present):
        return TypedColumn("text", [None if value is None else escape_surrogates(value) for value in values])
    return TypedColumn("json", [None if value is None else json_text(value) for value in values])


def json_text(value: Any) -> str:
    """A value as JSON, on one line."""
    return escape_surrogates(json.dumps(value, ensure_ascii=False))


def escape_surrogates(text: str) -> str:
    """The text with lone surrogates, as in a file name that is not UTF-8, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
