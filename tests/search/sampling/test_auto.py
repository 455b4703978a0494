"""The sampler `auto` in a study: it starts with the default recipe, and repeats, refuses and fails little."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import searches
from studies import carry_on, folder

from search.plan.plan import Plan
from search.records.sweep import State, Sweep
from search.study.base import SettledTrial, Suggestion
from search.study.search import SearchStudy
from trainable.epoch import Epoch

SPACE = {
    "a": {"low": 0.0, "high": 0.75},
    "b": {"low": 0.0, "high": 0.75},
    "width": {"low": 16, "high": 4096, "log": True},
    "kind": {"choices": ["plain", "deep"]},
    "depth": {"low": 2, "high": 9, "when": {"kind": "deep"}},
}


def plan(**changes: Any) -> Plan:
    table = {
        "name": "auto",
        "trainable": "bounded",
        "recipe": {"epochs": 3},
        "space": SPACE,
        "budget": {"trials": 60},
        "sampler": {"name": "auto"},
        "confirmation": {"candidates": 0},
    }
    return Plan.parse({**table, **changes}, "test")


def search(
    runs: Path, given: Plan, value: Callable[[dict[str, Any]], float | None], name: str = "auto"
) -> Sweep:
    """Carry out a search of a formula. value: of a recipe; None if it fails."""
    run = folder(name, runs)
    run.plan.write_text(given.to_toml())
    study = SearchStudy(run, given)
    study.adopt()
    study.begin_session({})
    while (suggestion := study.ask()) is not None:
        if isinstance(suggestion, SettledTrial):
            continue
        end = value(json.loads(suggestion.recipe))
        if end is None:
            study.end(suggestion.number, State.FAILED, "out of memory")
            continue
        for epoch in range(1, 4):
            if report(study, suggestion, epoch, end - 0.3 / epoch):
                break
    study.note_session(0.0, "budget")
    return Sweep.read(run.path)


def report(study: SearchStudy, suggestion: Suggestion, epoch: int, score: float) -> bool | None:
    """Returns whether the trial was pruned."""
    with study.transaction():
        pruned = study.record(suggestion.number, Epoch(epoch, {"score": score}, 0.0), "here:1")
        if epoch == 3 and not pruned:
            study.end(suggestion.number, State.COMPLETE)
    return pruned


def peak(recipe: dict[str, Any]) -> float:
    deep = 0.1 - 0.02 * abs(recipe["depth"] - 6) if recipe["kind"] == "deep" else 0.0
    return float(1 - (recipe["a"] - 0.2) ** 2 - (recipe["b"] - 0.3) ** 2 + deep)


@pytest.mark.slow
def test_it_begins_with_the_default_recipe_and_finds_the_peak_of_a_conditional_space(tmp_path: Path) -> None:
    sweep = search(tmp_path, plan(budget={"trials": 30}), peak)
    first = sweep.trials[0].recipe
    assert (first["a"], first["b"], first["width"], first["kind"]) == (0.05, 0.05, 64, "plain")
    best = sweep.best()
    assert best is not None and best.recipe["kind"] == "deep" and best.recipe["depth"] in (5, 6, 7)
    assert abs(best.recipe["a"] - 0.2) < 0.1 and abs(best.recipe["b"] - 0.3) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["auto", "tpe"])
def test_recipes_that_the_trainable_refuses_are_no_trials(sampler: str, tmp_path: Path) -> None:
    """a + b <= 0.8, which two fifths of the space break; the best recipe is at its border."""
    given = plan(sampler={"name": sampler}, pruner={"name": "none"})
    sweep = search(tmp_path, given, lambda recipe: recipe["a"] + recipe["b"])
    assert len(sweep.trials) == 60
    assert all(trial.state is State.COMPLETE for trial in sweep.trials)
    best = sweep.best()
    assert best is not None and best.score is not None and best.score > 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "most"), [("auto", 9), ("tpe", 30)])
def test_few_trials_fail_where_memory_runs_out_above_a_width(sampler: str, most: int, tmp_path: Path) -> None:
    """The wider the better, up to a width where every training fails: 43 % of the space."""

    def value(recipe: dict[str, Any]) -> float | None:
        return None if recipe["width"] > 400 else peak(recipe) + recipe["width"] / 400

    sweep = search(tmp_path, plan(sampler={"name": sampler}), value)
    failed = [trial for trial in sweep.trials if trial.state is State.FAILED]
    assert len(failed) <= most
    best = sweep.best()
    assert best is not None and best.recipe["width"] > 250


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["auto", "gp"])
def test_no_recipe_is_trained_or_answered_twice_beside_a_pruner(sampler: str, tmp_path: Path) -> None:
    """The best value lies in a corner of the space, where a model would like to stay."""
    given = plan(
        sampler={"name": sampler},
        pruner={"name": "median", "n_startup_trials": 3},
        budget={"trials": 25},
        space={"a": {"low": 0.0, "high": 0.4}, "b": {"low": 0.0, "high": 0.4}, "kind": SPACE["kind"]},
    )
    sweep = search(tmp_path, given, lambda recipe: -recipe["a"] - recipe["b"])
    assert sum(trial.same_as is not None for trial in sweep.trials) == 0
    assert len({json.dumps(dict(trial.recipe), sort_keys=True) for trial in sweep.trials}) == 25


def test_a_space_of_few_recipes_is_searched_to_its_last_one(tmp_path: Path) -> None:
    space = {"width": {"choices": [16, 64, 256]}, "kind": {"choices": ["plain", "deep"]}}
    sweep = search(tmp_path, plan(space=space, budget={"trials": 6}), lambda recipe: float(recipe["width"]))
    assert len({(trial.recipe["width"], trial.recipe["kind"]) for trial in sweep.trials}) == 6


@pytest.mark.slow
def test_it_learns_from_the_trials_of_a_halving(tmp_path: Path) -> None:
    """The curves rise towards a score that depends on learning rate and schedule."""
    halving = {"name": "successive_halving", "reduction_factor": 3}
    recipe = {"batch_size": 100, "epochs": 9}
    given = searches.plan(recipe=recipe, pruner=halving, sampler={"name": "auto"}, budget={"trials": 40})
    run = folder("halving", tmp_path)
    carry_on(run, given)
    sweep = Sweep.read(run.path)
    best = sweep.best()
    assert best is not None and 0.005 < best.recipe["learning_rate"] < 0.02
    assert sweep.count(State.PRUNED) > 15
