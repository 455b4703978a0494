"""Models of other libraries, with the real libraries."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, search
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from search.engine.events import EpochReported
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.rehearsal.rehearse import rehearse
from search.start import starting

EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"
SVM = """
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from trainable.adapters.scikit_learn import CrossValidation
class Digits(CrossValidation):
    @staticmethod
    def load(folder): return load_digits(n_class=4, return_X_y=True)
    def estimator(self): return SVC(C=self.recipe["C"])
"""
COMMAND = """
import sys
from trainable.adapters.command import Command
class Train(Command):
    line = sys.executable + " program.py {x} {epochs}"
"""
PROGRAM = """
import json, os, sys, time
x, epochs = float(sys.argv[1]), int(sys.argv[2])
open("pids", "a").write(f"{os.getpid()}\\n")
print("hello")
for epoch in range(epochs):
    print(json.dumps({"loss": x + 1 / (epoch + 1)}), flush=True)
    BODY
"""


def plan_of(folder: Path, name: str, **changes: Any) -> Plan:
    table = {
        "name": "any",
        "trainable": name,
        "budget": {"trials": 3},
        "pruner": {"name": "none"},
        "confirmation": {"candidates": 0},
        **changes,
    }
    return Plan.parse(table, "any.toml", folder=folder)


def commanded(folder: Path, body: str = "", **changes: Any) -> Plan:
    """The plan of a program that does `body` after each epoch."""
    (folder / f"commanded_{folder.name}.py").write_text(COMMAND)
    (folder / "program.py").write_text(PROGRAM.replace("BODY", body))
    table = {
        "metric": {"name": "loss", "direction": "minimize"},
        "recipe": {"epochs": 4},
        "space": {"x": {"low": 0.0, "high": 1.0}},
    }
    return plan_of(folder, f"commanded_{folder.name}:Train", **{**table, **changes})


def test_folds_are_epochs_and_the_score_is_scikit_learns(tmp_path: Path) -> None:
    (tmp_path / "svm_digits.py").write_text(SVM)
    space = {"C": {"low": 1e-3, "high": 10.0, "log": True}}
    metric = {"name": "score", "direction": "maximize"}
    run = RunFolder.named("any", tmp_path)
    search(run, plan_of(tmp_path, "svm_digits:Digits", metric=metric, space=space))
    data = load_digits(n_class=4, return_X_y=True)
    for trial in Sweep.read(run.path).trials:
        folds = StratifiedKFold(5, shuffle=True, random_state=trial.recipe["seed"])
        wanted = cross_val_score(SVC(C=trial.recipe["C"]), *data, cv=folds)
        assert [epoch.metrics["fold"] for epoch in trial.epochs] == pytest.approx(wanted)
        assert trial.score == pytest.approx(wanted.mean())


@pytest.mark.parametrize("name", ["sklearn_digits", "command"])
def test_an_example_can_be_trained_and_continued(name: str) -> None:
    plan = Plan.read(EXAMPLES / f"{name}.toml")
    steps = list(rehearse(plan, plan.default_recipe, NOWHERE))
    assert [step for step in steps if step.outcome == "failed"] == []
    assert any("continues to the bit" in step.message for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sklearn_digits", "command"])
def test_an_example_finds_what_is_good(name: str, tmp_path: Path) -> None:
    run = RunFolder.named(name, tmp_path)
    search(run, Plan.read(EXAMPLES / f"{name}.toml"))
    best = Sweep.read(run.path).top()
    assert best is not None and best.score is not None
    assert best.score > 0.97 if name == "sklearn_digits" else best.score < 0.5


def test_a_command_is_read_line_by_line(tmp_path: Path) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, commanded(tmp_path))
    for trial in Sweep.read(run.path).trials:
        assert [epoch.metrics["loss"] for epoch in trial.epochs] == [
            trial.recipe["x"] + 1 / epoch for epoch in range(1, 5)
        ]


def test_a_command_may_end_before_its_last_epoch(tmp_path: Path) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, commanded(tmp_path, "if epoch == 1: break"))
    trials = Sweep.read(run.path).trials
    assert [(trial.state, len(trial.epochs)) for trial in trials] == [(State.COMPLETE, 2)] * 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no rows')", "exited with 1"),
        ("raise ValueError('no rows')", "ValueError: no rows"),
        ("os._exit(3)", "exited with 3: it printed nothing"),
    ],
)
def test_a_command_that_fails_says_why(tmp_path: Path, body: str, words: str) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, commanded(tmp_path, body, budget={"trials": 1}))
    (trial,) = Sweep.read(run.path).trials
    assert trial.state is State.FAILED
    assert words in str(trial.error)


def test_a_name_that_the_recipe_lacks_is_told(tmp_path: Path) -> None:
    run = RunFolder.named("any", tmp_path)
    space = {"other": {"low": 0.0, "high": 1.0}}
    search(run, commanded(tmp_path, space=space, budget={"trials": 1}))
    assert "must be in [recipe] or [space], but x is not" in str(Sweep.read(run.path).trials[0].error)


def test_a_stopped_command_ends_and_is_started_again_without_repeating_an_epoch(tmp_path: Path) -> None:
    run = RunFolder.named("any", tmp_path)
    plan = commanded(tmp_path, "time.sleep(0.2)", budget={"trials": 1})
    with starting(run, plan, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, EpochReported) and event.epoch.number == 2:
                started.stop()
    time.sleep(0.1)
    (pid,) = (tmp_path / "pids").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    search(run, plan)
    (trial,) = Sweep.read(run.path).trials
    assert trial.state is State.COMPLETE
    assert [epoch.number for epoch in trial.epochs] == [1, 2, 3, 4]
    assert len((tmp_path / "pids").read_text().split()) == 2


@pytest.mark.parametrize(
    ("member", "advice"), [("estimator", r"def estimator\(self\)"), ("load", r"def load\(folder\)")]
)
def test_a_member_that_an_adapter_needs_is_named_before_a_search(
    member: str, advice: str, tmp_path: Path
) -> None:
    name = f"lacks_{member}"
    (tmp_path / f"{name}.py").write_text(SVM.replace(f"def {member}", "def other"))
    with pytest.raises(PlanError, match=rf"must have a method {member}, but has none; write {advice}"):
        plan_of(tmp_path, f"{name}:Digits", metric={"name": "score", "direction": "maximize"})


def test_a_command_without_a_line_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "no_line.py").write_text(COMMAND.replace("line =", "other ="))
    given = plan_of(tmp_path, "no_line:Train", metric={"name": "loss", "direction": "minimize"})
    steps = [step for step in rehearse(given, given.default_recipe, NOWHERE) if step.outcome == "failed"]
    assert "Train must say its command" in steps[0].message
