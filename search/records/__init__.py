"""What a run left on disk: its folder, journal, lock and lease, and the frozen records read from them.

    from search.records import Sweep

`Sweep` and the types it holds are loaded on first use, since a lock or a folder is read without them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.records.sweep import (
        Confirmation,
        Placement,
        PlanVersion,
        RecordedPlan,
        RunDamaged,
        Session,
        State,
        Status,
        Sweep,
        TestLook,
        TestSetOpening,
        Trial,
        WarmStartSummary,
    )

__all__ = [
    "Confirmation",
    "Placement",
    "PlanVersion",
    "RecordedPlan",
    "RunDamaged",
    "Session",
    "State",
    "Status",
    "Sweep",
    "TestLook",
    "TestSetOpening",
    "Trial",
    "WarmStartSummary",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("search.records.sweep"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
