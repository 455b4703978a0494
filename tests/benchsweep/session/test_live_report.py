"""The report of a search that runs, written while it does."""

from __future__ import annotations

import json
import time
from pathlib import Path

from studies import carry_on

from benchsweep.session.live_report import live_report
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.lock import owning

PLAN = {
    "name": "live",
    "recipe": {"epochs": 3},
    "space": {
        "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        "schedule": {"choices": ["constant", "step"]},
    },
}


def until(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.is_file():
        assert time.monotonic() < end, f"{path} was never written"
        time.sleep(0.1)


def test_a_report_is_written_while_the_run_is_owned_and_tells_it_as_running(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "live")
    carry_on(run, Plan.parse({**PLAN, "budget": {"trials": 3}}, "test"))
    with owning(run.lock), live_report(run, interval=0.1):
        until(run.path / "results.json")
    assert json.loads((run.path / "results.json").read_text())["state"] == "running"
    assert b"report.html" in run.log.read_bytes()


def test_what_goes_wrong_with_it_is_in_the_log_and_ends_with_the_search(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "nothing")
    run.path.mkdir()
    began = time.monotonic()
    with live_report(run, interval=0.1):
        until(run.log)
        while not run.log.stat().st_size:
            assert time.monotonic() - began < 60
            time.sleep(0.1)
    assert b"error:" in run.log.read_bytes()
