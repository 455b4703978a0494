"""Ask and tell: durable, resumable, and recorded like any other run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import command

import benchsweep
from benchsweep.python.loop import CannotAsk, CannotTell
from search.plan.plan import PlanError
from search.records.lock import RunOwned
from search.records.sweep import State
from search.start import PlanDiffers

ROOT = Path(__file__).parents[3]
SPACE = {"x": (0.0, 1.0)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def opened(**changes: Any) -> Any:
    return benchsweep.open("mine", **{"space": SPACE, "minimize": "loss", "budget": 5, **changes})


def test_what_is_asked_and_told_is_a_finished_run_with_a_report() -> None:
    with opened() as loop:
        for trial in loop:
            assert 0 <= trial["x"] <= 1 and trial.recipe["epochs"] == 1
            assert loop.tell(trial, {"loss": (trial["x"] - 0.3) ** 2, "size": 7}) is State.COMPLETE
        assert loop.ask() is None
    sweep = benchsweep.load("mine")
    assert (sweep.status, len(sweep.trials), sweep.count(State.COMPLETE)) == ("finished", 5, 5)
    assert sweep.trials[0].epochs[0].metrics["size"] == 7
    assert sweep.trials[0].recipe_sha256 is not None
    assert benchsweep.report("mine").is_file()
    with benchsweep.open("mine", budget=6, space=SPACE, minimize="loss") as loop:
        assert loop.ask().number == 5


def test_trials_that_were_not_told_are_asked_again_and_nothing_is_lost_or_repeated() -> None:
    with opened() as loop:
        loop.tell(loop.ask(), 1.0)
        untold = [loop.ask(), loop.ask()]
    with benchsweep.open("mine") as loop:
        again = [loop.ask(), loop.ask()]
        assert [(each.number, each.recipe) for each in again] == [
            (each.number, each.recipe) for each in untold
        ]
        for trial in [*again, *loop]:
            loop.tell(trial, trial["x"])
    sweep = benchsweep.load("mine")
    assert [len(trial.epochs) for trial in sweep.trials] == [1] * 5
    assert len(sweep.sessions) == 2


def test_the_sampler_learns_from_what_is_told() -> None:
    with opened(budget=40, sampler="tpe") as loop:
        for trial in loop:
            loop.tell(trial, (trial["x"] - 0.3) ** 2)
        values = [trial.sampled["x"] for trial in loop.sweep.trials]
    assert sum(abs(value - 0.3) < 0.15 for value in values[20:]) > 12


def test_epochs_are_reported_and_the_pruner_stops_a_bad_trial() -> None:
    pruner = {"name": "median", "n_startup_trials": 2}
    with opened(budget=4, recipe={"epochs": 3}, pruner=pruner) as loop:
        for _ in range(3):
            trial = loop.ask()
            assert [trial.report(1.0), trial.report(0.5), trial.report(0.2)] == [True, True, False]
        bad = loop.ask()
        assert not bad.report(9.0)
        with pytest.raises(CannotTell, match="trial 3 is not"):
            loop.tell(bad, 1.0)
    sweep = benchsweep.load("mine")
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 3 + [State.PRUNED]
    assert [len(trial.epochs) for trial in sweep.trials] == [3, 3, 3, 1]


def test_an_interrupted_trial_knows_how_many_epochs_are_on_record() -> None:
    with opened(recipe={"epochs": 3}, pruner="none") as loop:
        assert loop.ask().report(1.0)
    with benchsweep.open("mine") as loop:
        trial = loop.ask()
        assert (trial.number, trial.reported) == (0, 1)
        assert trial.report(0.9) and not trial.report(0.8)
    assert [epoch.metrics["loss"] for epoch in benchsweep.load("mine").trials[0].epochs] == [1.0, 0.9, 0.8]


def test_failed_pruned_and_diverged_trials_are_recorded_as_such() -> None:
    with opened() as loop:
        assert loop.tell(loop.ask(), error="out of memory") is State.FAILED
        assert loop.tell(loop.ask(), 3.0, pruned=True) is State.PRUNED
        assert loop.tell(loop.ask(), float("nan")) is State.DIVERGED
    trials = benchsweep.load("mine").trials
    assert [trial.state for trial in trials] == [State.FAILED, State.PRUNED, State.DIVERGED]
    assert trials[0].error == "out of memory"
    assert trials[1].score == 3.0


def test_what_is_no_result_is_refused_and_can_be_told_again() -> None:
    with opened() as loop:
        trial = loop.ask()
        for wrong in ({"other": 1.0}, "1.0", [1.0], None):
            with pytest.raises(CannotTell):
                loop.tell(trial, wrong)
        with pytest.raises(CannotTell, match="trial 7 is not"):
            loop.tell(7, 1.0)
        assert loop.tell(trial, 1.0) is State.COMPLETE


def test_a_run_has_one_loop_and_a_closed_one_says_so() -> None:
    with opened() as loop:
        with pytest.raises(RunOwned):
            opened()
        trial = loop.ask()
    with pytest.raises(CannotAsk, match=r"benchsweep.open\('mine'\)"):
        loop.tell(trial, 1.0)


def test_another_space_and_a_run_that_trains_itself_are_refused(tmp_path: Path) -> None:
    opened().close()
    with opened() as loop:
        loop.tell(loop.ask(), 1.0)
    with pytest.raises(PlanDiffers):
        opened(space={"x": (0.0, 2.0)})
    with pytest.raises(PlanError, match=r"\[budget\]"):
        benchsweep.open("other", space=SPACE, minimize="loss")
    (tmp_path / "itself.py").write_text("def f(recipe):\n    return recipe['x']\n")
    benchsweep.run("itself:f", SPACE, 1, "itself", minimize="loss", local=True, progress=False)
    with pytest.raises(CannotAsk, match=r"trains itself:f itself"):
        benchsweep.open("itself")


def test_commands_show_the_run_and_refuse_to_train_it() -> None:
    with opened() as loop:
        loop.tell(loop.ask(), 1.0)
    assert '"complete": 1' in command("list", "--json").out
    done = command("resume", "mine", "--local")
    assert done.code == 2 and "it opens the run with benchsweep.open" in done.err
    assert benchsweep.load("mine").count(State.FAILED) == 0


def test_a_process_that_is_killed_loses_no_result(tmp_path: Path) -> None:
    code = (
        "import benchsweep, os\n"
        "loop = benchsweep.open('mine', {'x': (0.0, 1.0)}, 6, minimize='loss')\n"
        "for trial in loop:\n"
        "    if trial.number == 3:\n"
        "        os.kill(os.getpid(), 9)\n"
        "    loop.tell(trial, trial['x'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment).returncode == -9
    with benchsweep.open("mine") as loop:
        assert [trial.state for trial in loop.sweep.trials[:3]] == [State.COMPLETE] * 3
        for trial in loop:
            loop.tell(trial, trial["x"])
    assert [len(trial.epochs) for trial in benchsweep.load("mine").trials] == [1] * 6
