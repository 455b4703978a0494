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
from search.engine.first_failures import EveryTrialFailed
from search.engine.worker_losses import WorkerDeath
from search.plan.plan import Plan
from search.records.lease import LeaseLost
from search.records.sweep import State, Sweep
from search.study.base import Suggestion
from search.study.search import SearchStudy
from trainable.assignment import Assignment, TrialReport
from trainable.epoch import Epoch


def _driver(runs: Path, **changes: Any) -> Driver:
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
    driver = _driver(
        runs, space={"schedule": {"choices": ["constant", "step"]}}, recipe={"learning_rate": 0.1}
    )
    seen: set[str] = set()
    while len(seen) < 2:
        question = driver.study.ask()
        if isinstance(question, Suggestion):
            train(driver.study, question)
            seen.add(question.recipe)
    return driver


def _report(driver: Driver, number: int, epoch: int | None = None) -> bool:
    told = None if epoch is None else Epoch(epoch, {"validation_accuracy": 0.5}, 0.1)
    return driver.take(TrialReport(number, "here:1", told))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that stands until it is set."""
    held = {"now": 1000.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: held["now"])
    return held


def test_drawing_gives_way_to_the_engine_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = _few_recipes(tmp_path)
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    before = len(Sweep.read(driver.run.path).trials)
    assert driver.next() == "later"
    assert before < len(Sweep.read(driver.run.path).trials) < 1000


def test_a_request_to_stop_is_heeded_while_drawing(tmp_path: Path) -> None:
    driver = _few_recipes(tmp_path)
    driver.run.stop_request.write_text('{"host": "there", "pid": 7, "time": ""}')
    assert driver.next() is None
    assert driver.stopped_by == "process 7 on there"
    assert not driver.run.stop_request.exists()


def test_a_trial_hangs_when_it_tells_nothing_for_longer_than_allowed(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    driver = _driver(tmp_path, resources={"trial_timeout": "10s"})
    assert driver.next()
    driver.hangs.allow_for_pause()
    assert not driver.hangs.hangs(0)
    for second in range(1, 60):  # its worker imports torch
        clock["now"] = 1000.0 + second
        driver.hangs.allow_for_pause()
        assert not driver.hangs.hangs(0)
    _report(driver, 0)  # and begins
    for second in range(60, 82):
        clock["now"] = 1000.0 + second
        driver.hangs.allow_for_pause()
        assert driver.hangs.hangs(0) is (second > 69)


def test_the_time_that_the_driver_itself_stood_still_is_not_a_trials(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    driver = _driver(tmp_path, resources={"trial_timeout": "10s"})
    assert driver.next()
    driver.hangs.allow_for_pause()
    _report(driver, 0, 1)
    clock["now"] += 3600  # a laptop was closed
    driver.hangs.allow_for_pause()
    assert not driver.hangs.hangs(0)
    for _ in range(11):
        clock["now"] += 1
        driver.hangs.allow_for_pause()
    assert driver.hangs.hangs(0)


def test_why_a_trial_was_ended_for_good_is_told_even_when_none_may_follow(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    driver = _driver(tmp_path, resources={"trial_timeout": "10s", "max_failures": 0})
    assert driver.next()
    _report(driver, 0, 1)
    clock["now"] += 11
    assert driver.hangs.hangs(0)
    driver.end_hanging(0)
    assert not driver.hangs.hangs(0)  # its worker is being ended
    driver.worker_died(0, WorkerDeath("killed"))
    trial = Sweep.read(driver.run.path).trials[0]
    assert trial.state is State.FAILED
    assert trial.error == ("its worker died once; at last: it hung, no epoch within the 10s of trial_timeout")


def test_a_trial_that_fails_before_its_first_epoch_has_its_worker_on_record(tmp_path: Path) -> None:
    driver = _driver(tmp_path)
    assert driver.next()
    driver.take(TrialReport(0, "here:1", outcome="FAILED", error="it raised"))
    trial = Sweep.read(driver.run.path).trials[0]
    assert (trial.state, trial.worker) == (State.FAILED, "here:1")
    (placed,) = trial.placements
    assert (placed.session, placed.epoch) == (0, 0)
    assert trial.started is not None and trial.started <= placed.since + timedelta(milliseconds=1)


def test_the_time_of_a_start_is_on_record_while_its_first_epoch_is_trained(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    driver = _driver(tmp_path, budget={"wall_time": "1h"})
    assert driver.next()
    for _ in range(200):
        clock["now"] += 3
        assert not driver.stopping()
    assert 590 < Sweep.read(driver.run.path).seconds <= 600
    clock["now"] += 3000
    assert driver.stopping()


def test_a_driver_that_was_closed_writes_nothing_more(tmp_path: Path) -> None:
    driver = _driver(tmp_path)
    before = driver.run.journal.read_bytes()
    driver.close()
    assert driver.guarded(driver.next, None) is None
    assert driver.run.journal.read_bytes() == before


def test_a_trial_that_another_process_has_taken_ends_the_search_and_its_record_stays(tmp_path: Path) -> None:
    driver = _driver(tmp_path)
    assert driver.next()
    before = driver.run.journal.read_bytes()
    report = TrialReport(0, "here:1", outcome="SUPERSEDED", error="a copy of the run is searched elsewhere")
    assert driver.guarded(lambda: driver.take(report), True)
    assert isinstance(driver.failure, LeaseLost)
    assert driver.stop.is_set()
    assert driver.run.journal.read_bytes() == before


def test_a_trial_whose_machine_is_lost_is_asked_again_and_that_is_no_fault_of_its(tmp_path: Path) -> None:
    driver = _driver(tmp_path, resources={"max_failures": 0})
    first = driver.next()
    assert isinstance(first, Assignment)
    _report(driver, 0, 1)
    driver.worker_died(0, WorkerDeath("its node has died", machine_lost=True))
    again = driver.next()
    assert isinstance(again, Assignment)
    assert (again.number, again.reported) == (0, 1)
    assert again.claim == (first.claim[0], 2)
    driver.worker_died(0, WorkerDeath("it died unexpectedly"))
    (trial, *_) = Sweep.read(driver.run.path).trials
    assert trial.state is State.FAILED
    assert trial.notes == (
        "its machine was lost or out of reach after epoch 1; another one continued from there",
    )


def _fail(driver: Driver, error: str) -> None:
    assignment = driver.next()
    assert isinstance(assignment, Assignment)
    driver.take(TrialReport(assignment.number, "here:1", outcome="FAILED", error=error))


def test_a_search_whose_first_trials_all_fail_for_one_cause_ends_with_that_cause(
    tmp_path: Path,
) -> None:
    driver = _driver(tmp_path)
    for number in range(4):
        _fail(driver, f"ValueError: cannot reshape array of size {number}")
    with pytest.raises(EveryTrialFailed, match="cannot reshape array of size 4") as raised:
        _fail(driver, "ValueError: cannot reshape array of size 4")
    assert raised.value.advice is not None and f"resume {driver.run.reference}" in raised.value.advice
    assert [trial.state for trial in Sweep.read(driver.run.path).trials] == [State.FAILED] * 5


def test_a_search_of_which_one_trial_trains_or_fails_otherwise_goes_on(tmp_path: Path) -> None:
    driver = _driver(tmp_path)
    for _ in range(4):
        _fail(driver, "ValueError: one")
    _fail(driver, "KeyError: another")
    for _ in range(8):
        _fail(driver, "ValueError: one")
    assert Sweep.read(driver.run.path).count(State.FAILED) == 13
