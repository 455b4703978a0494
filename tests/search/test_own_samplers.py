"""A sampler and a pruner of the user's, found beside the plan, in searches that are resumed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, search

from search.engine.events import TrialEnded
from search.plan.own import OwnClassFailed
from search.plan.plan import Plan, PlanError
from search.plan.sampler import OwnSampler
from search.records.folder import RunFolder
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import State, Sweep
from search.start import plan_of, starting

CODE = """\
import random
import optuna

class Near(optuna.samplers.BaseSampler):
    def __init__(self, width, seed=None):
        self._width, self._random = width, random.Random(seed)

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, name, distribution):
        done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        if not done:
            return 0.9
        centre = min(done, key=lambda each: each.value).params[name]
        value = centre + self._width * self._random.uniform(-1, 1)
        return min(max(value, distribution.low), distribution.high)

class Broken(Near):
    def sample_independent(self, study, trial, name, distribution):
        return 1 / 0

class After(optuna.pruners.BasePruner):
    def __init__(self, epoch):
        self._epoch = epoch

    def prune(self, study, trial):
        return trial.number % 2 == 1 and trial.last_step >= self._epoch

def train(recipe):
    for _ in range(recipe["epochs"]):
        yield {"loss": (recipe["x"] - 0.3) ** 2}
"""
_numbers = itertools.count()
Given = Callable[..., Plan]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """A plan whose module lies in another folder than the current one."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path)
    name = f"own_{next(_numbers)}"
    (tmp_path / "project" / f"{name}.py").write_text(CODE)

    def plan(**changes: Any) -> Plan:
        table = {
            "name": "any",
            "trainable": f"{name}:train",
            "metric": {"name": "loss", "direction": "minimize"},
            "recipe": {"epochs": 2},
            "budget": {"trials": 12},
            "space": {"x": {"low": 0.0, "high": 1.0}},
            "sampler": {"name": f"{name}:Near", "width": 0.2},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 0},
            **{key: _named(value, name) for key, value in changes.items()},
        }
        return Plan.parse(table, "any.toml", folder=tmp_path / "project")

    return plan


def _named(table: dict[str, Any], own: str) -> dict[str, Any]:
    return {key: value.format(own=own) if isinstance(value, str) else value for key, value in table.items()}


def sampled(run: RunFolder) -> list[Any]:
    return [trial.sampled["x"] for trial in Sweep.read(run.path).trials]


def test_its_sampler_learns_and_a_resumed_search_draws_what_the_uninterrupted_one_does(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = RunFolder(tmp_path / "a" / "any"), RunFolder(tmp_path / "b" / "any")
    search(whole, given())
    with starting(parts, given(), NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, TrialEnded) and event.number == 4:
                started.stop()
    monkeypatch.chdir(tmp_path.parent)  # the module is found where the run found it
    search(parts, plan_of(Sweep.read(parts.path)))
    assert sampled(parts) == sampled(whole)
    values = sampled(whole)
    assert values[0] == 0.9
    assert min(abs(value - 0.3) for value in values) < 0.1
    assert len(set(values)) == 12


def test_its_pruner_stops_trials_and_is_there_after_a_resume(given: Given, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "any")
    plan = given(recipe={"epochs": 4}, pruner={"name": "{own}:After", "epoch": 2}, budget={"trials": 4})
    with starting(run, plan, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, TrialEnded) and event.number == 1:
                started.stop()
    search(run, plan)
    trials = Sweep.read(run.path).trials
    assert [trial.state for trial in trials] == [State.COMPLETE, State.PRUNED] * 2
    assert [len(trial.epochs) for trial in trials] == [4, 2, 4, 2]


def test_a_class_of_an_installed_package_is_a_sampler(given: Given, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "any")
    search(run, given(sampler={"name": "optuna.samplers:NSGAIISampler", "population_size": 4}))
    assert len(set(sampled(run))) == 12


def test_the_run_of_a_built_in_trainable_finds_its_sampler_again(given: Given, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    name = next(folder.glob("*.py")).stem
    table = {"name": "any", "space": {"dropout": {"low": 0.0, "high": 0.5}}, "budget": {"trials": 1}}
    plan = Plan.parse({**table, "sampler": {"name": f"{name}:Near", "width": 0.1}}, "any.toml", folder=folder)
    assert plan.code is None
    assert plan.home == str(folder)


@pytest.mark.parametrize(
    ("sampler", "sentence"),
    [
        (
            {"name": "{own}:Nera", "width": 1},
            r"\[sampler\] name: .*Nera must be a class that is derived from",
        ),
        ({"name": "{own}:train"}, "must be a class that is derived from optuna.samplers.BaseSampler"),
        (
            {"name": "{own}:Near"},
            r"\[sampler\]: must have the arguments of .*missing a required argument: 'width'",
        ),
        ({"name": "nowhere_at_all:Near"}, "sampler must be an importable module, but importing"),
        ({"name": "{own}:"}, r"\[sampler\] name: "),
    ],
)
def test_a_class_that_is_none_is_a_fault_of_the_plan(
    sampler: dict[str, Any], sentence: str, given: Given
) -> None:
    with pytest.raises(PlanError, match=sentence):
        given(sampler=sampler)


def test_what_it_raises_ends_the_search_with_its_line(given: Given, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "any")
    with pytest.raises(OwnClassFailed, match="Broken must not fail, but for trial 0 raised Zero"):
        search(run, given(sampler={"name": "{own}:Broken", "width": 1.0}))


def test_its_record_is_read_without_importing_it(given: Given) -> None:
    table = given().to_table()
    recorded = RecordedPlan.of({**table, "sampler": {"name": "gone:Away", "depth": 3}})
    assert isinstance(recorded.sampler, OwnSampler) and recorded.sampler.model_extra == {"depth": 3}
