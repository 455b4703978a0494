"""One setting over all trials: its values, made of one kind, so that typed tables can hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

_LARGEST_INT = 2**63 - 1
_WHOLE = 2**53  # up to here every whole number is a float too


class TypedColumn(NamedTuple):
    """kind: of all values. "text" is as it was; "json" is JSON text, where values are lists, tables or of
    several kinds. values: one a trial; None where a trial has none."""

    kind: Literal["boolean", "integer", "number", "text", "json"]
    values: list[Any]


def column(values: Sequence[Any]) -> TypedColumn:
    """Plain JSON values as a column. None is missing; whole numbers among others become floats where that
    loses nothing."""
    held = [value for value in values if value is not None]
    if held and all(isinstance(value, bool) for value in held):
        return TypedColumn("boolean", list(values))
    if not any(isinstance(value, bool) or not isinstance(value, int | float) for value in held):
        whole = [value for value in held if isinstance(value, int)]
        if (
            held
            and len(whole) == len(held)
            and all(-_LARGEST_INT <= value <= _LARGEST_INT for value in whole)
        ):
            return TypedColumn("integer", list(values))
        if all(-_WHOLE <= value <= _WHOLE for value in whole):
            return TypedColumn("number", [None if value is None else float(value) for value in values])
    if all(isinstance(value, str) for value in held):
        return TypedColumn("text", [None if value is None else escape_surrogates(value) for value in values])
    return TypedColumn("json", [None if value is None else json_text(value) for value in values])


def json_text(value: Any) -> str:
    """A value as JSON, on one line."""
    return escape_surrogates(json.dumps(value, ensure_ascii=False))


def escape_surrogates(text: str) -> str:
    """The text as UTF-8 can hold it: half a character, as in a file name that is not UTF-8, as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()
