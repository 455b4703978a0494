"""How many examples a slow law is tried with."""

from __future__ import annotations

import os


def examples(few: int, many: int) -> int:
    """`few`, or `many` where BENCHSWEEP_THOROUGH is set."""
    return many if os.environ.get("BENCHSWEEP_THOROUGH") else few
