"""In a strict order a search has the same trials however many workers it has, and wherever it is killed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import TABLE
from studies import folder, opened, outcome, train_epoch

from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.study.base import Suggestion
from search.study.search import SearchStudy

CHOICES = {"schedule": {"choices": ["constant", "step"]}, "batch_size": {"choices": [50, 100]}}
PLANS: dict[str, dict[str, Any]] = {
    "tpe and halving": {"pruner": {"name": "successive_halving", "reduction_factor": 2}},
    "random and median": {"sampler": {"name": "random"}, "pruner": {"name": "median", "n_startup_trials": 2}},
    "auto and forecast": {
        "sampler": {"name": "auto", "n_startup_trials": 3},
        "pruner": {"name": "forecast", "n_startup_trials": 2, "chance": 0.4},
    },
    "cmaes": {"sampler": {"name": "cmaes"}},
    "qmc and hyperband": {"sampler": {"name": "qmc"}, "pruner": {"name": "hyperband"}},
    "few recipes": {"space": CHOICES, "recipe": {"epochs": 4, "learning_rate": 0.01}},
    "patience": {"budget": {"patience": 4}},
    "target": {"budget": {"trials": 60, "target": 0.8}},
}


def _plan(**changes: Any) -> Plan:
    table = {**TABLE, "budget": {"trials": 14}, "recipe": {"epochs": 4}, "order": "strict", "window": 4}
    return Plan.parse({**table, "sampler": {"name": "tpe", "n_startup_trials": 4}, **changes}, "test")


def _searched(run: RunFolder, plan: Plan, workers: int, seed: int, kills: int = 0) -> None:
    """Carry a search out with so many workers, whose epochs come in an order of chance, killed so often. With
    several workers the trials are drawn ahead."""
    chance = random.Random(seed)
    run.plan.write_text(plan.to_toml())
    study, training = _opened(run, plan, workers), {}
    while True:
        while len(training) < workers and isinstance(asked := study.ask(), Suggestion):
            training[asked.number] = asked
        if not training:
            if asked is None:
                break
            continue
        number = chance.choice(sorted(training))
        if train_epoch(study, training[number]):
            del training[number]
        if kills and chance.random() < 0.1:
            kills -= 1
            study.stop_drawing()
            study, training = _opened(run, plan, workers), {}
    study.stop_drawing()
    study.note_session(0.0, "budget")


def _opened(run: RunFolder, plan: Plan, workers: int) -> SearchStudy:
    study = opened(run, plan)
    if workers > 1:
        study.draw_ahead()
    return study


@pytest.mark.slow
@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS.keys())
def test_its_trials_do_not_depend_on_workers_their_pace_or_kills(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    plan = _plan(**changes)
    one = folder("one", tmp_path)
    _searched(one, plan, 1, 0)
    expected = outcome(one)
    assert len({state for _, _, state, *_ in expected}) > 1 or "pruner" not in changes
    for workers, seed, kills in ((2, 1, 0), (4, 2, 0), (4, 3, 10), (1, 4, 10)):
        run = folder(f"run-{workers}-{seed}", tmp_path)
        _searched(run, plan, workers, seed, kills)
        assert outcome(run) == expected


def test_at_most_as_many_trials_run_at_once_as_its_window_has(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    study = opened(run, _plan(window=3))
    asked = [study.ask() for _ in range(4)]
    assert all(isinstance(one, Suggestion) for one in asked[:3]) and asked[3] == "later"
    assert isinstance(asked[0], Suggestion) and isinstance(asked[2], Suggestion)
    while not train_epoch(study, asked[2]):
        pass
    assert study.ask() == "later"
    while not train_epoch(study, asked[0]):
        pass
    assert isinstance(study.ask(), Suggestion)


@given(order=st.sampled_from(["fast", "strict"]), window=st.integers(1, 20))
@settings(max_examples=10)
def test_the_order_is_on_record_where_it_is_strict(order: str, window: int) -> None:
    plan = _plan(order=order, window=window)
    assert ("order" in plan.to_table()) == (order == "strict") == ("window" in plan.to_table())
    assert Plan.parse(plan.to_table(), "test").order == order
