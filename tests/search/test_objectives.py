"""Optuna's objectives, run as they are: define-by-run, pruned, interrupted, resumed and confirmed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import command
from searches import LOCAL, NOWHERE, search

from search.cluster.access import THIS_MACHINE
from search.confirm import confirming
from search.engine.events import EpochReported
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import starting

QUADRATIC = """
def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2
"""
CONDITIONAL = """
import optuna
def objective(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("classifier", ["svc", "forest", None])
    if kind == "svc":
        return trial.suggest_float("svc_c", 1e-10, 1e10, log=True) ** 0.01
    if kind == "forest":
        depth = trial.suggest_int("depth", 2, 32, log=True)
        units = [trial.suggest_int(f"units_{i}", 4, 128, step=4) for i in range(depth % 3)]
        return depth + sum(units) / 100
    return 50.0
"""
PRUNED = """
import optuna
calls = []
def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    for step in range(6):
        value = lr * 10 + 1 / (step + 1)
        trial.report(value, step)
        if trial.should_prune():
            calls.append(("pruned", step))
            raise optuna.TrialPruned()
    calls.append(("ended", step))
    return value
"""
_numbers = itertools.count()
Given = Callable[..., Plan]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """The plan of an objective with this code."""

    def plan(code: str, **changes: Any) -> Plan:
        name = f"objective_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(code)
        table = {
            "name": "any",
            "trainable": f"{name}:objective",
            "budget": {"trials": 8},
            "confirmation": {"candidates": 1, "seeds": 2},
            **changes,
        }
        return Plan.parse(table, "any.toml", folder=tmp_path)

    return plan


def test_the_suggestions_of_an_objective_make_the_space(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    plan = given(QUADRATIC, budget={"trials": 25})
    assert (plan.sampler.name, plan.pruner.name, plan.objective.direction) == ("tpe", "median", "minimize")
    search(run, plan)
    trials = Sweep.read(run.path).trials
    assert {trial.state for trial in trials} == {State.COMPLETE}
    assert all(trial.score == (trial.recipe["x"] - 2) ** 2 for trial in trials)
    assert len({trial.recipe["x"] for trial in trials}) == 25
    late = [trial.score for trial in trials[15:] if trial.score is not None]
    assert min(late) < 1  # TPE has learned where it is
    study = optuna.load_study(
        study_name="benchsweep",
        storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(run.journal))),
    )
    assert study.trials[3].params == {"x": trials[3].recipe["x"]}
    assert study.trials[3].distributions == {"x": optuna.distributions.FloatDistribution(-10, 10)}


def test_a_branch_that_is_not_taken_has_no_parameters(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given(CONDITIONAL, budget={"trials": 30}))
    trials = Sweep.read(run.path).trials
    kinds = {trial.recipe["classifier"] for trial in trials}
    assert kinds == {"svc", "forest", None}
    for trial in trials:
        assert trial.error is None
        names = set(trial.recipe) - {"epochs", "seed", "classifier"}
        wanted = {"svc": {"svc_c"}, None: set()}.get(trial.recipe["classifier"])
        if wanted is None:
            depth = trial.recipe["depth"]
            wanted = {"depth", *(f"units_{i}" for i in range(depth % 3))}
        assert names == set(trial.sampled) - {"classifier"} == wanted


def test_the_search_prunes_where_the_objective_asks(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    plan = given(PRUNED, budget={"trials": 20})
    search(run, plan)
    trials = Sweep.read(run.path).trials
    states = [trial.state for trial in trials]
    assert set(states) == {State.COMPLETE, State.PRUNED}
    assert all(len(trial.epochs) == 6 for trial in trials if trial.state is State.COMPLETE)
    import sys

    calls = sys.modules[plan.trainable.partition(":")[0]].calls
    assert sum(kind == "pruned" for kind, _ in calls) == states.count(State.PRUNED)


@pytest.mark.parametrize(
    ("body", "state", "words"),
    [
        ("raise optuna.TrialPruned()", State.PRUNED, None),
        ("raise ValueError('no')", State.FAILED, "ValueError: no"),
        ("return None", State.FAILED, "must return its metrics"),
        ("return 1.0, 2.0", State.FAILED, "must return one value, but returns 2"),
        ("return float('nan')", State.DIVERGED, "must stay finite"),
    ],
)
def test_an_objective_ends_its_trial_as_it_says(
    tmp_path: Path, given: Given, body: str, state: State, words: str | None
) -> None:
    run = RunFolder.named("any", tmp_path)
    code = f"import optuna\ndef objective(trial):\n    trial.suggest_int('n', 1, 1000)\n    {body}\n"
    search(run, given(code, budget={"trials": 2}))
    trial = Sweep.read(run.path).trials[0]
    assert trial.state is state
    assert 1 <= trial.recipe["n"] <= 1000 and set(trial.sampled) == {"n"}
    assert words is None or words in str(trial.error)


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_a_name_of_our_own_and_choices_of_any_kind_are_suggested(tmp_path: Path, given: Given) -> None:
    code = """
def objective(trial):
    assert trial.suggest_categorical("shape", [(1, 2), (3, 4)]) in [(1, 2), (3, 4)]
    trial.set_user_attr("note", "kept")
    seed = trial.suggest_float("seed", 0, 0.5, step=0.1)
    return trial.suggest_int("epochs", 5, 9) + trial.params["epochs"] + seed
"""
    run = RunFolder.named("any", tmp_path)
    search(run, given(code))
    for trial in Sweep.read(run.path).trials:
        assert trial.error is None and trial.recipe["epochs"] == 1000
        assert trial.score == pytest.approx(2 * trial.recipe["trial.epochs"] + trial.recipe["trial.seed"])
        assert trial.same_as is not None or any("note = 'kept'" in note for note in trial.notes)


def test_a_killed_objective_is_called_again_with_the_same_suggestions(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    plan = given(PRUNED, pruner={"name": "none"}, budget={"trials": 3})
    with starting(run, plan, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, EpochReported) and event.number == 1 and event.epoch.number == 3:
                started.stop()
    before = Sweep.read(run.path).trials[1]
    assert before.state is State.INTERRUPTED
    search(run, plan)
    after = Sweep.read(run.path).trials
    assert after[1].recipe == before.recipe
    assert [epoch.number for epoch in after[1].epochs] == [1, 2, 3, 4, 5, 6]
    assert any("called again from its start with the same suggestions" in note for note in after[1].notes)
    assert [trial.state for trial in after] == [State.COMPLETE] * 3


def test_the_winner_of_an_objective_is_confirmed_with_its_own_suggestions(
    tmp_path: Path, given: Given
) -> None:
    code = QUADRATIC.replace("return ", "import random\n    return 0.001 * random.random() + ")
    run = RunFolder.named("any", tmp_path)
    search(run, given(code))
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    sweep = Sweep.read(run.path)
    assert sweep.confirmation is not None and sweep.confirmation.decided
    best = sweep.ranked()[0]
    for candidate in sweep.confirmation.candidates:
        scores = [rerun.score for rerun in candidate.complete]
        assert len(set(scores)) == 2  # each seed draws other random numbers
        wanted = best.recipe["x"] if candidate.trial is not None else 0.0
        assert all(score == pytest.approx((wanted - 2) ** 2, abs=0.002) for score in scores)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": {"x": {"low": 0.0, "high": 1.0}}}, "must be left out: the suggest_"),
        ({"sampler": {"name": "gp"}}, "must be tpe, random or a class of your own"),
    ],
)
def test_a_plan_that_does_not_fit_an_objective_says_so(
    given: Given, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        given(QUADRATIC, **changes)


def test_a_value_may_be_fixed(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given(PRUNED, recipe={"lr": 0.01}, budget={"trials": 2}))
    assert {trial.recipe["lr"] for trial in Sweep.read(run.path).trials} == {0.01}


@pytest.mark.slow
def test_workers_run_an_objective(tmp_path: Path, given: Given) -> None:
    run = RunFolder.named("any", tmp_path)
    search(run, given(PRUNED, budget={"trials": 12}), THIS_MACHINE)
    trials = Sweep.read(run.path).trials
    assert {trial.state for trial in trials} <= {State.COMPLETE, State.PRUNED}
    assert len({trial.recipe["lr"] for trial in trials}) == 12


SCRIPT = """
import optuna
def objective(trial):
    return trial.suggest_float("x", -1, 1)
if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())
    study.optimize(objective, n_trials=7, timeout=60, callbacks=[print])
"""


@pytest.mark.parametrize(
    ("code", "direction", "trials", "wall_time"),
    [
        (SCRIPT, "maximize", 7, 60.0),
        (
            SCRIPT.replace('direction="maximize", ', "").replace("n_trials=7", "n_trials=N"),
            "minimize",
            None,
            60.0,
        ),
        (SCRIPT.partition("if __name__")[0], "minimize", 100, None),
    ],
)
def test_what_a_script_says_of_its_study_is_the_plan(
    tmp_path: Path, code: str, direction: str, trials: int | None, wall_time: float | None
) -> None:
    (tmp_path / "script.py").write_text(code)
    plan = Plan.read(tmp_path / "script.py:objective")
    assert (plan.name, plan.trainable) == ("script", "script:objective")
    assert plan.objective.direction == direction
    assert (plan.budget.trials, plan.budget.wall_time) == (trials, wall_time)


def test_a_script_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def objective(trial:")
    with pytest.raises(PlanError, match="must be a Python file"):
        Plan.read(tmp_path / "broken.py:objective")
    with pytest.raises(PlanError, match="cannot be read"):
        Plan.read(tmp_path / "missing.py:objective")
    (tmp_path / "other.py").write_text("def objektive(trial): return 1")
    with pytest.raises(PlanError, match="did you mean objektive"):
        Plan.read(tmp_path / "other.py:objective")


@pytest.mark.slow
def test_the_command_runs_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = command(
        "run", "script.py:objective", "--local", "--set", "confirmation.candidates=1", cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert len(Sweep.read(tmp_path / "runs" / "script").trials) == 7
    assert (tmp_path / "runs" / "script" / "report.html").exists()
