"""A search killed at every kind of record, and at random moments, comes to the end it would have come to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHAOS = Path(__file__).parents[3] / "benchmarks" / "chaos.py"


def _chaos(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(CHAOS), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.slow
def test_a_search_killed_at_every_kind_of_record_loses_repeats_and_changes_nothing() -> None:
    told = _chaos("--each-record", "--local")
    assert (told["lost"], told["repeated"], told["wrong"], told["in_flight"]) == (0, 0, 0, 0)
    killed = [record.partition(": ")[2] for record in told["records"]]
    assert len(killed) == len(set(killed)) == told["kills"]
    written = {part for record in killed for part in record.split(", ")}
    assert written == {
        "study",
        "study user metric",
        "study user plan",
        "study user environment",
        "study user session",
        "trial",
        "user session",
        "user resumed_from",
        "user placements",
        "user recipe_sha",
        "value",
        "system completed_rung",
        "state 1",
        "state 2",
    }


@pytest.mark.slow
def test_a_search_that_pauses_trials_and_is_killed_at_every_record_loses_and_changes_nothing() -> None:
    told = _chaos("--each-record", "--local", "--pausing")
    assert (told["lost"], told["repeated"], told["wrong"], told["in_flight"]) == (0, 0, 0, 0)
    written = {part for record in told["records"] for part in record.partition(": ")[2].split(", ")}
    assert {"user paused", "user continued"} <= written


@pytest.mark.slow
def test_a_search_killed_at_random_moments_loses_repeats_and_changes_nothing() -> None:
    told = _chaos("--kills", "3", "--seed", "3")
    assert (told["lost"], told["repeated"], told["wrong"]) == (0, 0, 0)
    assert told["in_flight"] <= told["kills"] == 3
