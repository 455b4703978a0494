"""Trials that raise are trained again, and those that failed once their code was mended."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, search

from search.engine.first_failures import EveryTrialFailed
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.retry import NothingFailed, plan_with_failed
from search.start import plan_of, starting

FLAKY = """
from pathlib import Path
from trainable import TorchTraining

class Mine(TorchTraining):
    def build(self):
        self.total = 0.0
    def epoch(self):
        with Path(__file__).with_suffix(".log").open("a") as log:
            log.write(f"{self.recipe['x']}\\n")
        calls = Path(__file__).with_suffix(".log").read_text().splitlines()
        if self.total == 2.0 and calls.count(str(self.recipe["x"])) <= 2 + TIMES:
            raise ConnectionResetError("the network blinked")
        self.total += 1.0
        return self.total + self.recipe["x"]
"""
_numbers = itertools.count()
Given = Callable[..., Plan]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """The plan of a class `Mine` with this code."""

    def plan(code: str, **changes: Any) -> Plan:
        name = f"flaky_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(code)
        table = {
            "name": "any",
            "trainable": f"{name}:Mine",
            "metric": {"name": "loss", "direction": "minimize"},
            "budget": {"trials": 2},
            "recipe": {"epochs": 4},
            "space": {"x": {"low": 0.0, "high": 1.0}},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 0},
            **changes,
        }
        return Plan.parse(table, "any.toml", folder=tmp_path)

    return plan


@pytest.mark.parametrize("kinds", [None, ["OSError"], ["ConnectionResetError", "KeyError"]])
def test_a_trial_that_raised_goes_on_from_its_last_epoch(
    tmp_path: Path, given: Given, kinds: list[str] | None
) -> None:
    resources = {"retries": 2} | ({} if kinds is None else {"retry_on": kinds})
    plan = given(FLAKY.replace("TIMES", "2"), resources=resources)
    run = RunFolder.named("any", tmp_path)
    search(run, plan)
    for trial in Sweep.read(run.path).trials:
        assert trial.state is State.COMPLETE
        assert [epoch.number for epoch in trial.epochs] == [1, 2, 3, 4]
        assert trial.score == 4 + trial.recipe["x"]
        attempts = [note for note in trial.notes if "the network blinked" in note]
        assert [note.partition(":")[0] for note in attempts] == [
            "attempt 1 raised after epoch 2",
            "attempt 2 raised after epoch 2",
        ]


@pytest.mark.parametrize("resources", [{}, {"retries": 1}, {"retries": 5, "retry_on": ["KeyError"]}])
def test_a_trial_that_raises_too_often_or_otherwise_has_failed(
    tmp_path: Path, given: Given, resources: dict[str, Any]
) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given(FLAKY.replace("TIMES", "2"), resources=resources))
    trials = Sweep.read(run.path).trials
    assert {trial.state for trial in trials} == {State.FAILED}
    assert "the network blinked" in str(trials[0].error)


def test_attempts_count_over_starts(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    plan = given(FLAKY.replace("TIMES", "3"), resources={"retries": 2}, budget={"trials": 1})
    for _ in range(2):
        with starting(run, plan, NOWHERE, LOCAL) as started:
            for event in started:
                if getattr(event, "reported", 0) or getattr(getattr(event, "epoch", None), "number", 0) == 2:
                    started.stop()
    search(run, plan)
    (trial,) = Sweep.read(run.path).trials
    assert trial.state is State.FAILED
    assert sum("attempt" in note for note in trial.notes) == 2


def test_a_trial_is_stopped_once_it_has_trained_for_its_limit(tmp_path: Path, given: Given) -> None:
    slow = FLAKY.replace("TIMES", "-9").replace(
        "        self.total += 1.0", "        import time; time.sleep(0.1)\n        self.total += 1.0"
    )
    run = RunFolder.named("any", tmp_path)
    search(run, given(slow, resources={"trial_limit": 0.15}))
    for trial in Sweep.read(run.path).trials:
        assert trial.state is State.PRUNED
        assert len(trial.epochs) == 2
        assert any("trial_limit" in note for note in trial.notes)


def test_failed_trials_are_trained_again_once_the_code_was_mended(tmp_path: Path, given: Given) -> None:
    plan = given("raise_ = True\n" + FLAKY.replace("TIMES", "99"), budget={"trials": 7})
    run = RunFolder.named("any", tmp_path)
    with pytest.raises(EveryTrialFailed, match="--failed"):
        search(run, plan)
    module = plan.trainable.partition(":")[0]
    import sys

    path = tmp_path / f"{module}.py"
    path.write_text(FLAKY.replace("TIMES", "-9"))
    del sys.modules[module]
    with starting(run, lambda sweep: plan_with_failed(plan_of(sweep), sweep), NOWHERE, LOCAL) as started:
        list(started)
    trials = Sweep.read(run.path).trials
    assert [trial.state for trial in trials] == [State.FAILED] * 5 + [State.COMPLETE] * 7
    assert [trial.recipe for trial in trials[5:10]] == [trial.recipe for trial in trials[:5]]
    assert "it trains the recipe of trial 0, which failed, again" in trials[5].notes
    sweep = Sweep.read(run.path)
    with pytest.raises(NothingFailed):
        plan_with_failed(plan_of(sweep), sweep)
