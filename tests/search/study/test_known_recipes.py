"""Recipes that a plan or a user asks for are trained before those that a sampler chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searches import TABLE
from studies import carry_on, folder, outcome, train

from search.plan.plan import Plan, PlanError
from search.records.enqueued import enqueue, enqueued
from search.records.journal import repair
from search.records.sweep import State, Sweep
from search.study.base import Suggestion
from search.study.search import SearchStudy

GOOD = {"learning_rate": 0.01, "schedule": "constant"}
STEPPED = {"learning_rate": 0.02, "schedule": "step", "gamma": 0.5}


def _plan(**changes: Any) -> Plan:
    table = {**TABLE, "budget": {"trials": 6}, "recipe": {"epochs": 2}, "pruner": {"name": "none"}}
    return Plan.parse({**table, **changes}, "test")


def _sampled(runs: Path) -> list[dict[str, Any]]:
    return [dict(trial.sampled) for trial in Sweep.read(runs).trials]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp", "auto"])
def test_the_recipes_of_the_plan_are_trained_first_each_once(tmp_path: Path, sampler: str) -> None:
    run = folder("small", tmp_path)
    given = _plan(first=[GOOD, STEPPED, GOOD], sampler={"name": sampler})
    assert Plan.parse(given.to_table(), "test") == given
    carry_on(run, given)
    first, second, *others = _sampled(run.path)
    assert (first, second) == (GOOD, STEPPED)
    assert len(others) == 4 and GOOD not in others and STEPPED not in others
    assert "[[first]]" in Sweep.read(run.path).trials[0].notes[0]


def test_a_plan_without_known_recipes_is_recorded_as_before() -> None:
    assert "first" not in _plan().to_table()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"learning_rate": 2.0}, "learning_rate"),
        ({"learning_rate": 0.01, "schedule": "step", "gamma": 0.99}, "gamma"),
        ({"learning_rate": 0.01, "schedule": "constant", "gamma": 0.5}, "gamma"),
        ({"lerning_rate": 0.01}, "lerning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
    ],
)
def test_a_recipe_that_the_space_does_not_have_is_a_fault_of_that_field(
    values: dict[str, Any], field: str
) -> None:
    assert [fault.path[-1] for fault in _plan().faults_of_known(values)] == [field]
    with pytest.raises(PlanError, match=field):
        _plan(first=[values])


def test_a_grid_and_a_rule_between_fields_refuse_a_recipe() -> None:
    grid = _plan(sampler={"name": "grid"}, space={"dropout": {"choices": [0.1, 0.2]}})
    assert grid.faults_of_known({"dropout": 0.1})
    rule = {
        "trainable": "bounded",
        "recipe": {},
        "data": {},
        "space": {"a": {"low": 0.0, "high": 0.7}, "b": {"low": 0.0, "high": 0.7}},
    }
    assert _plan(**rule).faults_of_known({"a": 0.6, "b": 0.6})
    assert not _plan(**rule).faults_of_known({"a": 0.4, "b": 0.3})


def test_an_enqueued_recipe_is_the_next_trial_of_a_live_run_and_is_trained_once(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    study = SearchStudy(run, _plan())
    study.adopt()
    study.begin_session({})
    first = study.ask()
    enqueue(run, GOOD)
    enqueue(run, STEPPED)
    (run.enqueued / "0.json").write_text("no JSON")
    asked = [study.ask() for _ in range(3)]
    assert isinstance(first, Suggestion)
    assert [dict(one.sampled) for one in asked[:2] if isinstance(one, Suggestion)] == [GOOD, STEPPED]
    assert isinstance(asked[2], Suggestion) and dict(asked[2].sampled) not in (GOOD, STEPPED)
    assert enqueued(run) == []


def test_an_enqueued_recipe_whose_trial_a_kill_left_on_record_is_not_trained_twice(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    run.plan.write_text(_plan().to_toml())
    path = enqueue(run, GOOD)
    content = path.read_bytes()
    carry_on(run, _plan())
    expected = outcome(run)
    ends = [at + 1 for at, byte in enumerate(run.journal.read_bytes()) if byte == ord("\n")]
    journal = run.journal.read_bytes()
    for end in ends[::3]:
        run.journal.write_bytes(journal[:end])
        repair(run.journal)
        path.write_bytes(content)
        carry_on(run, _plan())
        assert outcome(run) == expected


def test_an_enqueued_recipe_that_the_plan_excludes_is_a_failed_trial_that_says_so(
    tmp_path: Path,
) -> None:
    run = folder("small", tmp_path)
    study = SearchStudy(run, _plan(space={"learning_rate": {"low": 0.1, "high": 0.2}}))
    study.adopt()
    study.begin_session({})
    enqueue(run, GOOD)
    study.ask()
    question = study.ask()
    assert isinstance(question, Suggestion)
    train(study, question)
    failed = Sweep.read(run.path).trials[0]
    assert failed.state is State.FAILED and "schedule" in str(failed.error)
