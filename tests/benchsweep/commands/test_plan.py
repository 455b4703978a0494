"""`benchsweep plan`: what it prints, what it refuses, and the line before a search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from searches import noop_plan

from benchsweep.session.expected_time import expected_time
from search.cluster.access import Site
from search.plan.plan import Plan
from search.records.environment import processor
from search.records.folder import RunFolder


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(noop_plan("mine", trials=40, epochs=3, seconds=0.03).to_table()))
    return path


def test_it_says_how_long_the_search_takes_and_leaves_no_run(config: Path, here: Any) -> None:
    done = here("plan", config, "--local", "--json")
    told = json.loads(done.out)
    assert done.code == 0
    assert told["first_limit"] == "trials"
    assert 40 * 3 * 0.03 <= told["seconds"] < 40 * 3 * 0.3
    assert told["low"] <= told["seconds"] <= told["high"]
    assert told["memory_bytes"] > 10**7
    assert [recipe["sampled"] for recipe in told["recipes"]] == [{}, {"x": 0.0}, {"x": 1.0}]
    assert not (config.parent / "runs").exists()


def test_it_prints_the_limit_that_binds_and_the_command_that_searches(config: Path, here: Any) -> None:
    done = here("plan", config, "--set", "budget.wall_time=1s", "--local")
    assert "ended by its limit of wall time" in done.out
    assert "the default recipe" in done.out
    assert "trials an hour" in done.out
    assert f"benchsweep run {config} --set budget.wall_time=1s --local" in done.out.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--set", "resources.cpus=4096"], 1, "this machine has"),
        (["--set", "resources.device=cuda", "--set", "resources.gpus=1"], 1, "no GPU"),
        (["--set", "budget="], 2, "must set trials, wall_time, epochs or patience"),
        (["--set", "space.z={low=0,high=1}"], 2, "no such hyperparameter"),
    ],
)
def test_a_plan_that_cannot_be_searched_is_refused_with_the_reason(
    config: Path, options: list[str], code: int, reason: str, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = here("plan", config, *options)
    assert (done.code, done.out) == (code, "")
    assert reason in done.err


SLEEPY = """
import time
def train(recipe):
    for _ in range(2):
        time.sleep(0.01)
        yield {"loss": recipe["x"]}
"""


@pytest.fixture
def sleepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plan of a function, whose epochs are timed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sleepy_function.py").write_text(SLEEPY)
    table = noop_plan("mine", trials=40).to_table()
    table |= {
        "trainable": "sleepy_function:train",
        "recipe": {"epochs": 2},
        "metric": {"name": "loss", "direction": "minimize"},
    }
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(table))
    return path


def test_a_search_says_how_long_it_will_take_by_an_earlier_run(
    sleepy: Path, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsweep.session.expected_time._SHORTEST", 0.0)  # these take no time
    config = sleepy
    assert "expected" not in here("run", config, "--local", "--set", "budget.trials=2").err
    done = here("run", config, "--local", "--name", "next", "--set", "budget.trials=3")
    assert "expected: at most 0." in done.err
    assert "until its limit of trials; by 2 trials of mine" in done.err
    again = here("run", config, "--local", "--name", "next", "--set", "budget.trials=3")
    assert "expected" not in again.err


def test_a_search_of_seconds_says_nothing_of_its_time(sleepy: Path, here: Any) -> None:
    here("run", sleepy, "--local", "--set", "budget.trials=2")
    assert "expected" not in here("run", sleepy, "--local", "--name", "next", "--set", "budget.trials=3").err
    longer = Plan.read(sleepy, ["budget.trials=5000", "name=longer"])
    sentence = expected_time(longer, sleepy.parent / "runs", Site(local=True))
    assert sentence is not None and "by 3 trials of next" in sentence  # the newest


def test_a_run_of_another_processor_says_nothing(sleepy: Path, here: Any) -> None:
    config, run = sleepy, RunFolder(sleepy.parent / "runs" / "other")
    here("run", config, "--local", "--name", "other", "--set", "budget.trials=2")
    run.journal.write_text(run.journal.read_text().replace(processor(), "an abacus"))
    assert "expected" not in here("run", config, "--local", "--set", "budget.trials=2").err
