"""A function as trainable: searched, pruned, interrupted, resumed and confirmed like a module."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from commands import command
from searches import LOCAL, NOWHERE, journal_of, search

from reports.analysis.benchmarks import read_benchmarks
from reports.exports.frames import epochs_frame
from reports.page.report import Report, as_markdown, html
from search.cluster.access import THIS_MACHINE
from search.confirm import confirming
from search.engine.events import EpochReported
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep, Trial
from search.rehearsal.rehearse import rehearse
from search.start import PlanDiffers, starting

LOSS = {"name": "loss", "direction": "minimize"}
GENERATOR = """
from pathlib import Path
def train(recipe):
    with Path("calls.txt").open("a") as file:
        file.write("call\\n")
    for epoch in range(5):
        yield {"loss": (recipe["x"] - 0.3) ** 2 + 1 / (epoch + 1), "other": epoch}
"""
WITH_METRIC = """
from trainable.contract import Metric
METRIC = Metric("acc", "maximize", "share")
def train(recipe):
    return 1
"""
_numbers = itertools.count()
Given = Callable[..., Plan]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """The plan of a function `train` with this code, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def plan(code: str, **changes: Any) -> Plan:
        name = f"function_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(code)
        table = {
            "name": "any",
            "trainable": f"{name}:train",
            "metric": LOSS,
            "budget": {"trials": 4},
            "space": {"x": {"low": 0.0, "high": 1.0}},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 2, "seeds": 2},
            **changes,
        }
        return Plan.parse({key: value for key, value in table.items() if value is not None}, "any.toml")

    return plan


def trials_of(run: RunFolder) -> tuple[Trial, ...]:
    return Sweep.read(run.path).trials


def recorded_epochs(run: RunFolder) -> Counter[tuple[int, int]]:
    """How often each epoch, (trial, number), was reported to the study in its journal."""
    return Counter(
        (line["trial_id"], line["step"]) for line in journal_of(run) if "intermediate_value" in line
    )


def test_a_number_that_is_returned_is_the_metric(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given("def train(recipe):\n    return (recipe['x'] - 0.3) ** 2\n"))
    assert [trial.state for trial in trials_of(run)] == [State.COMPLETE] * 4
    assert all(trial.score == (trial.recipe["x"] - 0.3) ** 2 for trial in trials_of(run))


def test_the_recipe_has_the_values_of_the_plan_in_their_types(tmp_path: Path, given: Given) -> None:
    plan = given(
        "def train(recipe):\n"
        "    return {'loss': 0.0, **{name: isinstance(recipe[name], float) for name in recipe}}\n",
        recipe={"rate": 1.0, "width": 3, "names": ["a", "b"]},
        space={
            "x": {"low": 0.0, "high": 1.0},
            "depth": {"low": 1, "high": 9},
            "on": {"choices": [True, False]},
        },
    )
    assert plan.recorded_recipe({}) == {
        "epochs": 1, "seed": 0, "rate": 1.0, "width": 3, "names": ["a", "b"],
        "x": 0.5, "depth": 5, "on": True,
    }  # fmt: skip
    assert Plan.parse(plan.to_table(), "again").to_table() == plan.to_table()
    run = RunFolder.named("any", tmp_path)
    search(run, plan)
    (metrics,) = {tuple(sorted(trial.epochs[0].metrics.items())) for trial in trials_of(run)}
    assert {name for name, value in metrics if value == 1.0} == {"rate", "x"}


def test_a_generator_is_pruned_by_the_median(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    pruner = {"name": "median", "n_startup_trials": 2}
    search(run, given(GENERATOR, recipe={"epochs": 5}, budget={"trials": 10}, pruner=pruner))
    pruned = [trial for trial in trials_of(run) if trial.state is State.PRUNED]
    complete = [trial for trial in trials_of(run) if trial.state is State.COMPLETE]
    assert pruned and all(len(trial.epochs) < 5 for trial in pruned)
    assert complete and all(len(trial.epochs) == 5 for trial in complete)


def test_what_forecast_stops_of_a_function_is_pruned_for_it_would_begin_anew(
    tmp_path: Path, given: Given
) -> None:
    run = RunFolder.named("any", tmp_path)
    pruner = {"name": "forecast", "n_startup_trials": 2, "chance": 0.45}
    search(run, given(GENERATOR, recipe={"epochs": 5}, budget={"trials": 12}, pruner=pruner))
    pruned = [trial for trial in trials_of(run) if trial.state is State.PRUNED]
    assert pruned and all(len(trial.epochs) < 5 and trial.pauses == () for trial in pruned)


def test_a_generator_ends_its_trial_after_the_epochs_of_the_plan_or_earlier(
    tmp_path: Path, given: Given
) -> None:
    for epochs, trained in ((3, 3), (9, 5)):
        run = RunFolder.named(f"of{epochs}", tmp_path)
        search(run, given(GENERATOR, name=run.name, recipe={"epochs": epochs}))
        assert [(trial.state, len(trial.epochs)) for trial in trials_of(run)] == [
            (State.COMPLETE, trained)
        ] * 4


def test_an_interrupted_trial_is_called_again_and_reports_no_epoch_twice(
    tmp_path: Path, given: Given
) -> None:
    plan = given(GENERATOR, recipe={"epochs": 5}, budget={"trials": 2})
    run = RunFolder.named("any", tmp_path)
    with starting(run, plan, NOWHERE, LOCAL) as started:
        seen = 0
        for event in started:
            seen += isinstance(event, EpochReported)
            if seen == 3:
                started.stop()
    assert [len(trial.epochs) for trial in trials_of(run)] == [3]
    search(run, plan)
    assert (tmp_path / "calls.txt").read_text().count("call") == 3
    assert [[epoch.number for epoch in trial.epochs] for trial in trials_of(run)] == [[1, 2, 3, 4, 5]] * 2
    assert set(recorded_epochs(run).values()) == {1} and len(recorded_epochs(run)) == 10
    (note,) = trials_of(run)[0].notes
    assert "called again from its start, and epochs 1 to 3 are on record" in note
    assert trials_of(run)[1].notes == ()


@pytest.mark.slow
def test_a_killed_search_loses_nothing_and_repeats_nothing(tmp_path: Path, given: Given) -> None:
    code = GENERATOR.replace(
        "    for epoch in range(5):\n",
        "    for epoch in range(5):\n"
        "        if epoch == 3 and recipe['x'] != 0.5 and not Path('killed').exists():\n"
        "            Path('killed').touch()\n"
        "            import os, signal\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    plan = given(code, recipe={"epochs": 5})
    (tmp_path / "any.toml").write_text(plan.to_toml())
    assert command("run", "any.toml", "--local", cwd=tmp_path).code == -9
    run = RunFolder.named("any", tmp_path / "runs")
    before = {trial.number: trial.epochs for trial in trials_of(run)}
    assert [len(epochs) for epochs in before.values()][-1] == 3
    done = command("resume", "any", "--local", cwd=tmp_path)
    assert done.code == 0, done.err
    assert all(trials_of(run)[number].epochs[: len(epochs)] == epochs for number, epochs in before.items())
    assert [len(trial.epochs) for trial in trials_of(run)] == [5] * 4
    assert set(recorded_epochs(run).values()) == {1} and len(recorded_epochs(run)) == 20


def test_a_function_that_raises_fails_its_trial_with_what_it_raised(tmp_path: Path, given: Given) -> None:
    code = (
        "def train(recipe):\n    if recipe['x'] > 0.4:\n        raise ArithmeticError('too large')\n"
        "    return 0.0\n"
    )
    run = RunFolder.named("any", tmp_path)
    search(run, given(code))
    assert {trial.error for trial in trials_of(run)} == {None, "ArithmeticError: too large"}
    failed = next(trial for trial in trials_of(run) if trial.state is State.FAILED)
    assert "line 3, in train" in (run.trial(failed.number).path / "error.txt").read_text()


@pytest.mark.parametrize(
    ("body", "told", "advice"),
    [
        ("return None", "but what it returns is None", 'return {"loss": …}'),
        ("return [0.1]", "but what it returns is a list, [0.1]", 'return {"loss": …}'),
        ("yield 'low'", "but what it yields is a str, 'low'", 'yield {"loss": …}'),
        ("yield {'acc': 1.0}", "but what it yields has only 'acc'", 'yield {"loss": …}'),
    ],
)
def test_what_is_no_metric_is_told_by_the_trial_and_by_try_with_what_to_write(
    tmp_path: Path, given: Given, body: str, told: str, advice: str
) -> None:
    run = RunFolder.named("any", tmp_path)
    plan = given(f"def train(recipe):\n    {body}\n", recipe={"epochs": 5})
    search(run, plan)
    errors = {str(trial.error) for trial in trials_of(run)}
    assert all(trial.state is State.FAILED for trial in trials_of(run))
    assert len(errors) == 1 and told in errors.pop()
    steps = list(rehearse(plan, plan.default_recipe, tmp_path))  # type: ignore[arg-type]
    (failure,) = [step for step in steps if step.outcome == "failed"]
    assert told in failure.message
    assert failure.advice == advice


def test_a_side_metric_may_be_missing_in_some_epochs_or_not_be_finite(tmp_path: Path, given: Given) -> None:
    code = """
def train(recipe):
    for epoch in range(4):
        side = {"auc": 0.5 + epoch / 10} if epoch % 2 else {"auc": float("nan"), "rare": 1.0}
        yield {"loss": recipe["x"] / (epoch + 1), **({} if epoch == 2 else side)}
"""
    run = RunFolder.named("any", tmp_path)
    search(run, given(code, recipe={"epochs": 4}))
    sweep = Sweep.read(run.path)
    assert {trial.state for trial in sweep.trials} == {State.COMPLETE}
    assert [sorted(epoch.metrics) for epoch in sweep.trials[0].epochs] == [
        ["loss", "rare"],
        ["auc", "loss"],
        ["loss"],
        ["auc", "loss"],
    ]
    report = Report.of(sweep, read_benchmarks())
    assert "auc" in html(report) or as_markdown(report)
    rows = epochs_frame(sweep)
    assert rows["metric.auc"].isna().tolist()[:4] == [True, False, True, False]


def test_a_metric_that_is_not_finite_diverges(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given("def train(recipe):\n    return float('nan')\n"))
    assert {trial.state for trial in trials_of(run)} == {State.DIVERGED}


@pytest.mark.parametrize(
    ("code", "changes", "told"),
    [
        (GENERATOR, {}, "write epochs = 10 in [recipe]"),
        ("def train(recipe):\n    return 1\n", {"metric": None}, 'write [metric] with name = "loss"'),
        ("def train(recipe):\n    return 1\n", {"metric": {"name": "loss", "direction": "min"}}, "direction"),
        ("def trian(recipe):\n    return 1\n", {}, "did you mean trian?"),
        ("class train:\n    pass\n", {}, "from trainable import TorchTraining"),
        ("def train():\n    return 1\n", {}, "must take the recipe alone, but: too many positional"),
        (
            WITH_METRIC,
            {},
            '[metric] direction: must be left out or be "maximize", as in METRIC of',
        ),
        ("def train(recipe):\n    return 1\n", {"data": {"rows": 3}}, "[data] rows: no such key"),
        ("def train(recipe):\n    return 1\n", {"recipe": {"epochs": 0}}, "[recipe] epochs"),
        ("def train(recipe):\n    return 1\n", {"recipe": {"_x": 0}}, "cannot be called '_x'"),
        (
            "def train(recipe):\n    return 1\n",
            {"recipe": {"model_dump": 0}},
            "cannot be called 'model_dump'",
        ),
        ("def train(recipe):\n    return 1\n", {"recipe": {"start": date(2024, 1, 1)}}, "write it as text"),
    ],
)
def test_a_plan_that_does_not_fit_its_function_says_what_to_write(
    given: Given, code: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(PlanError) as raised:
        given(code, **changes)
    assert any(told in fault for fault in raised.value.faults), raised.value.faults


@pytest.mark.parametrize("name", ["class", "a-b", "größe", "x.y", "lambda", "self"])
def test_a_hyperparameter_may_have_any_other_name(tmp_path: Path, given: Given, name: str) -> None:
    run = RunFolder.named("any", tmp_path)
    code = f"def train(recipe):\n    return recipe[{name!r}]\n"
    search(run, given(code, space={name: {"low": 0.0, "high": 1.0}}))
    assert [trial.score for trial in trials_of(run)] == [trial.recipe[name] for trial in trials_of(run)]
    assert {trial.state for trial in trials_of(run)} == {State.COMPLETE}


def test_the_metric_of_the_functions_module_need_not_be_written_again(given: Given) -> None:
    plan = given(WITH_METRIC, metric=None)
    assert plan.objective.unit == "share"
    assert Plan.parse(plan.to_table(), "again").to_table() == plan.to_table()


def test_the_metric_of_a_run_does_not_change(tmp_path: Path, given: Given) -> None:
    plan = given("def train(recipe):\n    return {'loss': 1.0, 'acc': 0.5}\n")
    run = RunFolder.named("any", tmp_path)
    search(run, plan)
    other = Plan.parse({**plan.to_table(), "metric": {"name": "acc", "direction": "maximize"}}, "any.toml")
    with pytest.raises(PlanDiffers, match="metric"), starting(run, other, NOWHERE, LOCAL, extend=True):
        pass


def test_a_module_may_repeat_its_metric_and_not_contradict_it() -> None:
    table = {"name": "any", "trainable": "failing"}
    plan = Plan.parse({**table, "metric": {"name": "score", "direction": "maximize"}}, "any.toml")
    assert plan.to_table() == Plan.parse(table, "any.toml").to_table()
    with pytest.raises(PlanError) as raised:
        Plan.parse({**table, "metric": {"name": "loss", "direction": "minimize"}}, "any.toml")
    assert len(raised.value.faults) == 2


@pytest.mark.slow
def test_a_function_is_searched_and_confirmed_by_workers(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given(GENERATOR, recipe={"epochs": 5}), THIS_MACHINE)
    with confirming(run, NOWHERE, THIS_MACHINE) as race:
        list(race)
    assert [(trial.state, len(trial.epochs)) for trial in trials_of(run)] == [(State.COMPLETE, 5)] * 4
    confirmation = Sweep.read(run.path).confirmation
    assert confirmation is not None and confirmation.decided
