"""The book of one start, kept without an engine: time, hanging trials, requests to stop."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from searches import TABLE
from studies import folder, train

from search.cluster.capacity import Host
from search.cluster.placement import Slots
from search.engine import driver as module
from search.engine.driver import Driver
from search.plan.plan import Plan
from search.records.lease import Disowned
from search.records.sweep import State, Sweep
from search.study.base import Suggestion
from search.study.search import SearchStudy
from trainable.assignment import TrialReport
from trainable.epoch import Epoch


def _ledger(runs: Path, **changes: Any) -> Driver:
    table = {**TABLE, "budget": {"trials": 1000}, "recipe": {"epochs": 2}, "pruner": {"name": "none"}}
    plan = Plan.parse({**table, **changes}, "test")
    run = folder("book", runs)
    run.plan.write_text(plan.to_toml())
    study = SearchStudy(run, plan)
    study.begin_session({})
    places = Slots([Host("one", "here", {"CPU": 4.0})], plan.resources)
    return Driver(study, run, threading.Event(), time.monotonic(), places)


def _few_recipes(runs: Path) -> Driver:
    """All two recipes of its space are trained: every further draw is answered from the record."""
    ledger = _ledger(
        runs, space={"schedule": {"choices": ["constant", "step"]}}, recipe={"learning_rate": 0.1}
    )
    seen: set[str] = set()
    while len(seen) < 2:
        question = ledger.study.ask()
        if isinstance(question, Suggestion):
            train(ledger.study, question)
            seen.add(question.recipe)
    return ledger


def _report(ledger: Driver, number: int, epoch: int | None = None) -> bool:
    told = None if epoch is None else Epoch(epoch, {"validation_accuracy": 0.5}, 0.1)
    return ledger.take(TrialReport(number, "here:1", told).to_result())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that stands until it is set."""
    held = {"now": 1000.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: held["now"])
    return held


def test_drawing_gives_way_to_the_engine_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = _few_recipes(tmp_path)
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    before = len(Sweep.read(ledger.run.path).trials)
    assert ledger.next() == "later"
    assert before < len(Sweep.read(ledger.run.path).trials) < 1000


def test_a_request_to_stop_is_heeded_while_drawing(tmp_path: Path) -> None:
    ledger = _few_recipes(tmp_path)
    ledger.run.stop_request.write_text('{"host": "there", "pid": 7, "time": ""}')
    assert ledger.next() is None
    assert ledger.asked == "process 7 on there"
    assert not ledger.run.stop_request.exists()


def test_a_trial_hangs_when_it_tells_nothing_for_longer_than_allowed(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    ledger = _ledger(tmp_path, resources={"trial_timeout": 10})
    assert ledger.next()
    ledger.pause()
    assert not ledger.hangs(0)
    for second in range(1, 60):  # its worker imports torch
        clock["now"] = 1000.0 + second
        ledger.pause()
        assert not ledger.hangs(0)
    _report(ledger, 0)  # and begins
    for second in range(60, 82):
        clock["now"] = 1000.0 + second
        ledger.pause()
        assert ledger.hangs(0) is (second > 69)


def test_the_time_that_the_driver_itself_stood_still_is_not_a_trials(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    ledger = _ledger(tmp_path, resources={"trial_timeout": 10})
    assert ledger.next()
    ledger.pause()
    _report(ledger, 0, 1)
    clock["now"] += 3600  # a laptop was closed
    ledger.pause()
    assert not ledger.hangs(0)
    for _ in range(11):
        clock["now"] += 1
        ledger.pause()
    assert ledger.hangs(0)


def test_why_a_trial_was_ended_for_good_is_told_even_when_none_may_follow(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    ledger = _ledger(tmp_path, resources={"trial_timeout": 10, "max_failures": 0})
    assert ledger.next()
    _report(ledger, 0, 1)
    clock["now"] += 11
    assert ledger.hangs(0)
    ledger.give_up_hung(0)
    assert not ledger.hangs(0)  # its worker is being ended
    ledger.lost(0, "The actor is dead because it was killed by `ray.kill`.")
    trial = Sweep.read(ledger.run.path).trials[0]
    assert trial.state is State.FAILED
    assert trial.error == ("its worker died once; at last: it hung, no epoch within the 10s of trial_timeout")


def test_a_trial_that_fails_before_its_first_epoch_has_its_worker_on_record(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    assert ledger.next()
    ledger.take(TrialReport(0, "here:1", outcome="FAILED", error="it raised").to_result())
    trial = Sweep.read(ledger.run.path).trials[0]
    assert (trial.state, trial.worker) == (State.FAILED, "here:1")
    (placed,) = trial.placements
    assert (placed.session, placed.epoch) == (0, 0)
    assert trial.started is not None and trial.started <= placed.since + timedelta(milliseconds=1)


def test_the_time_of_a_start_is_on_record_while_its_first_epoch_is_trained(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    ledger = _ledger(tmp_path, budget={"wall_time": "1h"})
    assert ledger.next()
    for _ in range(200):
        clock["now"] += 3
        assert not ledger.stopping()
    assert 590 < Sweep.read(ledger.run.path).seconds <= 600
    clock["now"] += 3000
    assert ledger.stopping()


def test_a_ledger_that_was_closed_writes_nothing_more(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    before = ledger.run.journal.read_bytes()
    ledger.close()
    assert ledger.guarded(ledger.next, None) is None
    assert ledger.run.journal.read_bytes() == before


def test_a_trial_that_another_process_has_taken_ends_the_search_and_its_record_stays(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path)
    assert ledger.next()
    before = ledger.run.journal.read_bytes()
    report = TrialReport(0, "here:1", outcome="SUPERSEDED", error="a copy of the run is searched elsewhere")
    assert ledger.guarded(lambda: ledger.take(report.to_result()), True)
    assert isinstance(ledger.failure, Disowned)
    assert ledger.stop.is_set()
    assert ledger.run.journal.read_bytes() == before


def test_a_trial_whose_machine_is_lost_is_asked_again_and_that_is_no_fault_of_its(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path, resources={"max_failures": 0})
    first = ledger.next()
    assert isinstance(first, dict)
    _report(ledger, 0, 1)
    ledger.lost(0, "The actor is dead because its node has died.")
    again = ledger.next()
    assert isinstance(again, dict)
    assert (again["number"], again["reported"]) == (0, 1)
    assert again["claim"] == (first["claim"][0], 2)
    ledger.lost(0, "The worker died unexpectedly.")
    (trial, *_) = Sweep.read(ledger.run.path).trials
    assert trial.state is State.FAILED
    assert trial.notes == (
        "its machine was lost or out of reach after epoch 1; another one went on from there",
    )
