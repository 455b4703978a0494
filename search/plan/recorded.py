"""What a plan records of its recipe and its data, which must be the same whenever the plan is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from search.plan.fault import Fault, rule, shown
from trainable.record import NotRecordable, from_record, to_record

REQUIRED_NUMBERS = ("epochs", "seed")
"""Fields that every recipe has, and that a search reads."""


def unfit(name: str, value: object) -> str | None:
    """Why a search cannot use this value of a recipe's field; None if it can."""
    if name not in REQUIRED_NUMBERS:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be a whole number, but got {shown(value)}"
    return f"must be at least 1, but got {shown(value)}" if name == "epochs" and value < 1 else None


def recorded(
    model: BaseModel, written: Mapping[str, Any], part: str, searched: Collection[str] = ()
) -> tuple[dict[str, Any] | None, list[Fault]]:
    """The recipe or the source as JSON values, or None and all reasons why a record would not give it back.

    written: the values in the plan. part: the plan's table that they are from. searched: fields whose values
    are not recorded in the plan.
    """
    try:
        record = to_record(model)
    except Exception as error:  # a model may be the user's own, and its serializers may raise anything
        return None, [_failure(error, part)]
    fixed = {name: value for name, value in record.items() if name not in searched}
    faults = [
        Fault((part, name), f"must not have None in a list, which TOML cannot hold, but got {shown(value)}")
        for name, value in fixed.items()
        if _none_in_list(value)
    ]
    repeats = (
        (written, "must be the same each time the plan is read"),
        (record, "must be the same after it was recorded and read again"),
        (without_none(fixed), "must be the same after it was written to a plan and read again"),
    )
    for values, needed in repeats:
        if faults:
            break
        try:
            again = to_record(from_record(type(model), values))
        except Exception as error:  # as above
            return None, [_failure(error, part)]
        faults = [
            Fault((part, name), f"{needed}, but {shown(value)} became {shown(again.get(name))}")
            for name, value in fixed.items()
            if again.get(name) != value
        ]
    return (None if faults else record), faults


def without_none(value: Any) -> Any:
    """The value without the entries of tables that are None, which TOML does not have."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


def _none_in_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_none_in_list, value.values()))
    return isinstance(value, list) and any(item is None or _none_in_list(item) for item in value)


def _failure(error: Exception, part: str) -> Fault:
    if isinstance(error, NotRecordable):
        return Fault((part,) if error.field is None else (part, error.field), error.rule)
    if isinstance(error, ValidationError):
        entry = error.errors(include_url=False)[0]
        path = (part, *(str(key) for key in entry["loc"]))
        return Fault(path, f"must be valid after it was recorded and read again, but then: {rule(entry)}")
    return Fault((part,), f"cannot be recorded: {type(error).__name__}: {error}")
