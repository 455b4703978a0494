"""In what two plans differ, a line for each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.plan.fault import shown


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What the second table has otherwise: `budget.trials: 40 -> 60`."""
    lines: list[str] = []
    for key in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(key), theirs.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            before, after = ("left out" if value is None else shown(value) for value in (one, other))
            lines.append(f"{prefix}{key}: {before} -> {after}")
    return lines
