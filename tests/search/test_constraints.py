"""Constraints: rules that no trained recipe breaks, and bounds that the chosen ones keep."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, search

from benchsweep.progress.search import Progress
from reports.analysis.benchmarks import read_benchmarks
from reports.health.health import health
from reports.page.report import Report, as_markdown
from search.confirm import confirming
from search.engine.events import Ended, TrialEnded
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import PlanDiffers, starting

CODE = """\
def train(recipe):
    for epoch in range(recipe["epochs"]):
        yield {"gain": recipe["x"] + recipe["y"] - 1 / (epoch + 1), "latency": 10 * recipe["x"]}

def silent(recipe):
    metrics = {"gain": recipe["x"]}
    return metrics if recipe["x"] > 0.5 else {**metrics, "latency": 1.0}
"""
BOUND = {"latency": {"max": 5.0}}
_numbers = itertools.count()
Given = Callable[..., Plan]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """A plan whose best gain breaks its bound."""
    monkeypatch.chdir(tmp_path)
    name = f"bounded_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(CODE)

    def plan(function: str = "train", **changes: Any) -> Plan:
        table = {
            "name": "any",
            "trainable": f"{name}:{function}",
            "metric": {"name": "gain", "direction": "maximize"},
            "recipe": {"epochs": 1},
            "budget": {"trials": 20},
            "space": {"x": {"low": 0.0, "high": 1.0}, "y": {"low": 0.0, "high": 1.0}},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 0},
            **changes,
        }
        return Plan.parse(table, "any.toml", folder=tmp_path)

    return plan


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "any")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("auto", "gp")]


@pytest.mark.parametrize("sampler", [*SLOW, "tpe", "random", "cmaes", "qmc"])
def test_no_recipe_that_breaks_a_rule_is_trained(sampler: str, given: Given, run: RunFolder) -> None:
    rules = {"rules": ["x + y <= 0.8"]}
    search(run, given(constraints=rules, sampler={"name": sampler}, budget={"trials": 12}))
    trials = Sweep.read(run.path).trials
    assert [trial.state for trial in trials] == [State.COMPLETE] * 12
    assert all(trial.sampled["x"] + trial.sampled["y"] <= 0.8 for trial in trials)


@pytest.mark.parametrize("sampler", [*SLOW, "tpe", "random", "cmaes"])
def test_the_best_trial_keeps_the_bound_and_samplers_learn_it(
    sampler: str, given: Given, run: RunFolder
) -> None:
    search(run, given(constraints=BOUND, sampler={"name": sampler}, budget={"trials": 30}))
    sweep = Sweep.read(run.path)
    best = sweep.best()
    assert best is not None and best.sampled["x"] <= 0.5 and not best.excess
    assert any(trial.score > best.score for trial in sweep.trials if trial.score is not None and best.score)
    broken = [trial for trial in sweep.trials if trial.sampled["x"] > 0.5]
    assert broken and all(trial.excess > 0 for trial in broken)
    assert broken[0].notes[-1].startswith("latency <= 5 must hold, but it is ")
    ranks = [trial.excess > 0 for trial in sweep.ranked()]
    assert ranks == sorted(ranks)
    least = {"auto": 0.45, "gp": 0.45, "tpe": 0.4, "cmaes": 0.3, "random": 0.0}[sampler]
    assert best.score is not None and best.score > least  # at most 0.5 keeps the bound


def test_an_interrupted_search_draws_what_the_uninterrupted_one_does(given: Given, tmp_path: Path) -> None:
    whole, parts = RunFolder(tmp_path / "a" / "any"), RunFolder(tmp_path / "b" / "any")
    plan = given(constraints=BOUND, sampler={"name": "tpe"})
    search(whole, plan)
    with starting(parts, plan, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, TrialEnded) and event.number == 14:
                started.stop()
    search(parts, plan)
    sampled = [[trial.sampled for trial in Sweep.read(each.path).trials] for each in (whole, parts)]
    assert sampled[0] == sampled[1]


def test_a_metric_that_was_not_reported_breaks_its_bound(given: Given, run: RunFolder) -> None:
    search(run, given("silent", constraints=BOUND, sampler={"name": "tpe"}))
    sweep = Sweep.read(run.path)
    best = sweep.best()
    assert best is not None and best.sampled["x"] <= 0.5
    silent = next(trial for trial in sweep.trials if trial.sampled["x"] > 0.5)
    assert silent.notes[-1] == "latency <= 5 must hold, but latency was not reported"


@pytest.mark.parametrize("name", ["median", "successive_halving", "forecast"])
def test_no_trial_is_stopped_because_of_one_that_breaks_the_bound(
    name: str, given: Given, run: RunFolder
) -> None:
    first = [{"x": 0.9 + 0.01 * number, "y": 0.9} for number in range(6)]
    kept = [{"x": 0.1, "y": 0.1 + 0.1 * number} for number in range(3)]
    plan = given(
        constraints=BOUND,
        recipe={"epochs": 9},
        first=[*first, *kept],
        budget={"trials": 9},
        pruner={"name": name},
    )
    search(run, plan)
    assert [trial.state for trial in Sweep.read(run.path).trials[6:]] == [State.COMPLETE] * 3


def test_a_target_is_reached_by_a_trial_that_keeps_the_bound(given: Given, run: RunFolder) -> None:
    first = [{"x": 1.0, "y": 1.0}, {"x": 0.5, "y": 1.0}]
    events = search(run, given(constraints=BOUND, first=first, budget={"trials": 9, "target": 0.4}))
    ended = events[-1]
    assert isinstance(ended, Ended) and "target" in ended.detail
    assert len(Sweep.read(run.path).trials) == 2


def test_candidates_of_the_confirmation_keep_the_bound_and_the_default_recipe_must_be_known_to(
    given: Given, run: RunFolder
) -> None:
    plan = given(
        constraints={"latency": {"max": 4.0}},
        confirmation={"candidates": 3, "seeds": 2},
        sampler={"name": "random"},
    )
    search(run, plan)
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    sweep = Sweep.read(run.path)
    assert sweep.confirmation is not None
    trials = {trial.number: trial for trial in sweep.trials}
    chosen = [candidate.trial for candidate in sweep.confirmation.candidates]
    assert None not in chosen  # its latency is 5
    assert all(not trials[number].excess for number in chosen if number is not None)


def test_the_report_and_its_health_check_say_who_keeps_the_bound(given: Given, run: RunFolder) -> None:
    search(run, given(constraints=BOUND, sampler={"name": "random"}))
    sweep = Sweep.read(run.path)
    finding = health(sweep)["constraints"]
    good = sum(not trial.excess for trial in sweep.trials)
    assert f"{good} of 20 complete trials keep latency <= 5." in finding.message
    text = as_markdown(Report.of(sweep, read_benchmarks()))
    assert "Constraints kept" in text and "latency" in text


def test_where_no_trial_keeps_the_bound_the_one_that_breaks_it_least_is_shown_as_that(
    given: Given, run: RunFolder
) -> None:
    search(run, given(constraints={"latency": {"max": -1.0}}, sampler={"name": "random"}))
    sweep = Sweep.read(run.path)
    best = sweep.best()
    assert best is not None
    assert best.sampled["x"] == min(trial.sampled["x"] for trial in sweep.trials)
    assert health(sweep)["constraints"].verdict == "WARN"


def test_the_progress_calls_no_trial_the_best_that_breaks_the_bound(given: Given, run: RunFolder) -> None:
    plan = given(constraints=BOUND, first=[{"x": 0.4, "y": 0.5}, {"x": 0.9, "y": 0.9}], budget={"trials": 2})
    progress = Progress.of(plan)
    for event in search(run, plan):
        progress.update(event)
    assert progress.best is not None and progress.best.number == 0
    again = Progress.of(plan)
    again.add_earlier(Sweep.read(run.path))
    assert again.best is not None and again.best.number == 0


def test_constraints_change_by_an_extension_only_and_are_judged_anew(given: Given, run: RunFolder) -> None:
    plan = given(constraints=BOUND, sampler={"name": "tpe"})
    search(run, plan)
    wider = given(constraints={"latency": {"max": 8.0}}, sampler={"name": "tpe"}, budget={"trials": 25})
    with pytest.raises(PlanDiffers, match=r"constraints.latency.max: 5.0 -> 8.0"):
        search(run, wider)
    with starting(run, wider, NOWHERE, LOCAL, extend=True) as started:
        list(started)
    sweep = Sweep.read(run.path)
    best = sweep.best()
    assert best is not None and 0.5 < best.sampled["x"] <= 0.8


@pytest.mark.parametrize(
    ("constraints", "sentence"),
    [
        ({"rules": ["x + z <= 1"]}, r"\[constraints\] rules: 'x \+ z <= 1': z is no hyperparameter"),
        ({"rules": ["x + y"]}, "must be a comparison"),
        ({"rules": ["__import__('os') == 1"]}, "must have only hyperparameters, numbers, comparisons"),
        ({"latency": {}}, r"\[constraints\] latency: must have min, max or both"),
        ({"latency": {"min": 2.0, "max": 1.0}}, "min <= max must hold"),
        ({"latency": 5}, r"\[constraints\] latency"),
        ({"latency": {"maximum": 5}}, r"\[constraints\] latency.maximum: no such"),
    ],
)
def test_what_is_no_constraint_is_a_fault_of_the_plan(
    constraints: dict[str, Any], sentence: str, given: Given
) -> None:
    with pytest.raises(PlanError, match=sentence):
        given(constraints=constraints)


def test_a_plan_without_constraints_is_recorded_as_before(given: Given) -> None:
    assert "constraints" not in given().to_table()
    plan = given(constraints={**BOUND, "rules": ["x < y"]})
    assert Plan.parse(plan.to_table(), "again", folder=plan.folder) == plan
