"""The differences between two plans, one line per key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.plan.fault import dotted, shown


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The changes from one table to the other, such as `budget.trials: 40 -> 60`."""
    lines: list[str] = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{prefix}{dotted([key])}.")
        elif old != new:
            old_text, new_text = ("left out" if value is None else shown(value) for value in (old, new))
            lines.append(f"{prefix}{dotted([key])}: {old_text} -> {new_text}")
    return lines
