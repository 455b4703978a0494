"""Changes of the code between the starts of a run are reported."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sweeps import ENVIRONMENT, START, make_trial, placed_sweep, sweep_of

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.provenance import code_changes
from reports.page.report import Report
from search.records.sweep import Placement, Session, Sweep

HASH = "0123456789abcdef" * 4


def started(*environments: dict[str, Any]) -> Sweep:
    """A run with a start in each environment; its only trial was continued by every one."""
    sessions = [Session(k, START, 60.0, "interrupted", known) for k, known in enumerate(environments)]
    placements = [Placement("laptop:1", k, k, START + timedelta(minutes=k)) for k in range(len(environments))]
    return sweep_of([make_trial(0, placements=tuple(placements))], sessions=tuple(sessions))


def test_starts_with_other_code_are_named_with_the_trial_that_both_trained() -> None:
    before = {**ENVIRONMENT, "trainable_sha256": HASH, "versions": {"torch": "2.9.1", "ray": "2.60.0"}}
    after = {**before, "trainable_sha256": HASH[::-1], "dirty": True, "versions": {"torch": "2.10.0"}}
    sweep = started(before, before, after)
    (sentence,) = code_changes(sweep)
    assert sentence == (
        "The code changed between start 1 and start 2: dirty false -> true, trainable_sha256 0123456789ab -> "
        "fedcba987654 and torch 2.9.1 -> 2.10.0. Trial 0 was trained partly before and partly after it."
    )
    assert sentence in Report.of(sweep, read_benchmarks()).environment_sentence


def test_equal_code_and_unknown_environments_are_no_change() -> None:
    assert code_changes(placed_sweep(8)) == ()
    assert code_changes(started(ENVIRONMENT, {}, {**ENVIRONMENT, "host": "another"})) == ()
