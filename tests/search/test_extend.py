"""A run is given more budget or another space: all is kept, what fits is learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, TABLE, plan, search
from studies import carry_on, folder, train

from search.engine.events import Note, TrialStarted
from search.extend import BudgetIncrease, CannotExtend, extended_plan
from search.plan.budget import Budget
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import PlanDiffers, plan_of, starting
from search.study.base import Suggestion
from search.study.search import SearchStudy


def _plan(**changes: Any) -> Plan:
    return Plan.parse({**TABLE, "budget": {"trials": 12}, "recipe": {"epochs": 4}, **changes}, "test")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A search of twelve trials that came to its end."""
    run = folder("small", tmp_path)
    carry_on(run, _plan())
    return run


def _extended(run: RunFolder, more: BudgetIncrease | None = None, *sets: str) -> Plan:
    sweep = Sweep.read(run.path)
    return extended_plan(plan_of(sweep), sweep, more or BudgetIncrease(), sets)


def test_more_is_added_to_the_limits_of_the_plan(run: RunFolder) -> None:
    assert _extended(run, BudgetIncrease(trials=8)).budget.trials == 20
    by_time = _plan(budget={"trials": 100, "wall_time": "15m"})
    longer = extended_plan(by_time, Sweep.read(run.path), BudgetIncrease(wall_time=3600))
    assert (longer.budget.trials, longer.budget.wall_time) == (100, 4500)


def test_more_of_what_had_no_limit_is_added_to_what_was_spent(run: RunFolder) -> None:
    epochs = sum(len(trial.epochs) for trial in Sweep.read(run.path).trials)
    assert _extended(run, BudgetIncrease(trials=1, epochs=50)).budget.epochs == epochs + 50


def test_a_limit_that_is_spent_is_lifted_unless_it_is_named(run: RunFolder) -> None:
    assert _extended(run, BudgetIncrease(wall_time=60)).budget.trials is None
    assert _extended(run, BudgetIncrease(wall_time=60), "budget.trials=12").budget.trials == 12
    assert _extended(run, BudgetIncrease(wall_time=60, trials=3)).budget.trials == 15


def test_an_extension_that_changes_nothing_is_refused(run: RunFolder) -> None:
    with pytest.raises(CannotExtend, match="must change something"):
        _extended(run)
    with pytest.raises(CannotExtend, match="must change something"):
        _extended(run, None, "space.learning_rate.high=0.1")


def test_a_fault_in_an_extension_is_told_like_one_in_a_plan(run: RunFolder) -> None:
    with pytest.raises(PlanError, match=r"--set space.dropuot"):
        _extended(run, None, "space.dropuot={low=0,high=1}")


def test_a_setting_is_moved_between_fixed_and_searched_by_naming_where_it_goes(run: RunFolder) -> None:
    searched = _extended(run, None, "space.batch_size={choices=[64,128]}")
    assert "batch_size" in searched.space.names and "batch_size" not in searched.recipe
    fixed = _extended(run, None, "recipe.schedule=step")
    assert fixed.recipe["schedule"] == "step" and fixed.space.names == ("learning_rate", "gamma")


def test_each_version_of_the_plan_is_recorded_with_what_it_changed(run: RunFolder) -> None:
    carry_on(run, _extended(run, BudgetIncrease(trials=2)))
    carry_on(run, _extended(run, BudgetIncrease(trials=1), "space.learning_rate.low=0.001"))
    sweep = Sweep.read(run.path)
    assert [version.trials for version in sweep.plans] == [0, 12, 14]
    assert [version.changes for version in sweep.plans] == [
        (),
        ("budget.trials: 12 -> 14",),
        ("budget.trials: 14 -> 15", "space.learning_rate.low: 0.0001 -> 0.001"),
    ]
    assert sweep.plan.table == sweep.plans[-1].table
    assert len(sweep.trials) == 15


def test_trials_that_fit_another_space_are_learned_from_and_the_others_are_kept(run: RunFolder) -> None:
    before = Sweep.read(run.path).trials
    changed = _extended(
        run,
        BudgetIncrease(trials=6),
        "space.learning_rate.low=0.002",
        'space.schedule.choices=["constant","step","cosine"]',
    )
    fitting = [trial for trial in before if trial.recipe["learning_rate"] >= 0.002]
    assert 0 < len(fitting) < len(before)
    study = carry_on(run, changed)
    after = Sweep.read(run.path).trials
    assert after[:12] == before
    assert all(trial.recipe["learning_rate"] >= 0.002 for trial in after[12:])
    assert {trial.recipe["schedule"] for trial in after} <= {"constant", "step", "cosine"}
    assert SearchStudy(run, changed).learned == len(fitting) + 6 == study.learned + 6


def test_what_the_sampler_sees_after_an_extension_is_what_the_new_plan_would_have_drawn(
    run: RunFolder,
) -> None:
    changed = _extended(run, None, 'space.schedule.choices=["step","cosine"]', "budget.trials=13")
    study = SearchStudy(run, changed)
    trials = study._optuna_study.get_trials(deepcopy=False)
    seen = study._history(trials)
    assert {trial.number for trial in seen} == {
        trial.number for trial in trials if trial.user_attrs["recipe"]["schedule"] == "step"
    }
    for trial in seen:
        assert trial.distributions["schedule"].choices == ("step", "cosine")
        assert trial.value == trials[trial.number].value


def test_an_extended_search_that_is_cut_off_comes_to_the_same_end(tmp_path: Path) -> None:
    ends = []
    for cut in (False, True):
        run = folder(f"cut-{cut}", tmp_path)
        carry_on(run, _plan())
        changed = _extended(run, BudgetIncrease(trials=6), "space.learning_rate.low=0.002")
        if cut:
            study = SearchStudy(run, changed)
            study.adopt()
            study.begin_session({})
            for _ in range(2):
                question = study.ask()
                assert isinstance(question, Suggestion)
                train(study, question, until=1)
        carry_on(run, plan_of(Sweep.read(run.path)) if cut else changed)
        ends.append([(dict(trial.recipe), trial.score) for trial in Sweep.read(run.path).trials])
    assert ends[0][:13] == ends[1][:13]  # the second one was drawn beside the first, not after it
    assert len(ends[1]) == 18


def test_an_interrupted_trial_that_the_new_plan_does_not_ask_for_is_left_with_a_note(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    study = SearchStudy(run, _plan())
    question = study.ask()
    assert isinstance(question, Suggestion)
    train(study, question, until=2)
    run.plan.write_text(_plan().to_toml())
    high = float(question.sampled["learning_rate"])
    carry_on(run, _extended(run, None, f"space.learning_rate.low={high * 1.01}"))
    first, *others = Sweep.read(run.path).trials
    assert first.state is State.PRUNED
    assert "excludes this recipe" in first.notes[0]
    assert len(others) == 11
    assert Sweep.read(run.path).status == "finished"


def test_an_extension_that_was_recorded_and_no_more_is_gone_on_with(run: RunFolder) -> None:
    changed = _extended(run, BudgetIncrease(trials=4))
    SearchStudy(run, changed).adopt()  # and then the process is killed, before Ray is up
    sweep = Sweep.read(run.path)
    assert sweep.status == "interrupted"
    assert plan_of(sweep) == changed
    assert Plan.read(run.plan) != changed
    with starting(run, plan_of, NOWHERE, LOCAL) as search_:
        assert search_.data is not None
        assert not search_._notes
    assert Plan.read(run.plan) == changed
    carry_on(run, changed)
    assert Sweep.read(run.path).status == "finished"


def test_a_plan_file_changed_by_hand_changes_nothing_and_that_is_told(run: RunFolder) -> None:
    run.plan.write_text(_plan(budget={"trials": 3}).to_toml())
    with starting(run, plan_of, NOWHERE, LOCAL) as search_:
        (note,) = search_._notes
    assert "budget.trials: 12 -> 3" in note and "edited by hand" in note
    assert Plan.read(run.plan).budget.trials == 12


def test_the_command_that_began_a_run_does_not_undo_its_extension(run: RunFolder) -> None:
    carry_on(run, _extended(run, BudgetIncrease(trials=2)))
    with (
        pytest.raises(PlanDiffers, match=r"budget\.trials: 14 -> 12"),
        starting(run, _plan(), NOWHERE, LOCAL),
    ):
        pass
    assert Sweep.read(run.path).plan.budget.trials == 14


def test_a_budget_that_is_lowered_below_what_was_spent_leaves_a_finished_run(run: RunFolder) -> None:
    lower = _extended(run, None, "budget.trials=5")
    with starting(run, lower, NOWHERE, LOCAL, extend=True) as search_:
        assert [type(event).__name__ for event in search_] == ["Note", "Ended"]
    sweep = Sweep.read(run.path)
    assert (sweep.status, len(sweep.trials)) == ("finished", 12)
    assert extended_plan(lower, sweep, BudgetIncrease(trials=1)).budget.trials == 13


def test_a_recipe_that_another_pruner_stopped_is_trained_again(tmp_path: Path) -> None:
    space = {"schedule": {"choices": ["constant", "step"]}}
    fixed = {"epochs": 4, "learning_rate": 0.01}
    harsh = {"name": "threshold", "lower": 0.99, "n_warmup_steps": 0}
    run = folder("harsh", tmp_path)
    carry_on(run, _plan(space=space, recipe=fixed, pruner=harsh, budget={"trials": 4}))
    assert {trial.state for trial in Sweep.read(run.path).trials} == {State.PRUNED}
    carry_on(run, _plan(space=space, recipe=fixed, pruner={"name": "none"}, budget={"trials": 12}))
    later = Sweep.read(run.path).trials[4:]
    assert {trial.state for trial in later} == {State.COMPLETE}


def test_rungs_of_another_halving_are_not_compared_with(tmp_path: Path) -> None:
    def halving(least: int) -> Plan:
        pruner = {"name": "successive_halving", "min_resource": least, "reduction_factor": 2}
        return _plan(
            recipe={"epochs": 8},
            pruner=pruner,
            budget={"trials": 40},
            space={"learning_rate": TABLE["space"]["learning_rate"], "schedule": {"choices": ["step"]}},
            sampler={"name": "random"},
        )

    shares = []
    for first in (halving(4), halving(1)):
        run = folder(f"run-{len(shares)}", tmp_path)
        carry_on(run, first.model_copy(update={"budget": Budget(trials=20)}))
        carry_on(run, halving(4))
        later = Sweep.read(run.path).trials[20:]
        shares.append(sum(trial.state is State.PRUNED for trial in later) / 20)
    assert shares[1] > 0.3  # against the earlier rungs, at other epochs, nearly all went on


def test_a_grid_that_is_shuffled_anew_is_tried_whole(tmp_path: Path) -> None:
    run = folder("grid", tmp_path)
    grid = {
        "sampler": {"name": "grid", "points": 3},
        "space": {
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "schedule": {"choices": ["constant", "step", "cosine"]},
        },
        "pruner": {"name": "none"},
    }
    carry_on(run, _plan(**grid, budget={"trials": 4}))
    carry_on(run, _plan(**grid, budget={"trials": 100}, seed=7))
    assert len({json.dumps(trial.recipe, sort_keys=True) for trial in Sweep.read(run.path).trials}) == 9


def test_budget_and_resources_may_change_in_the_plan_file_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder.named("eased", tmp_path)
    given = plan(name="eased", budget={"trials": 2}, pruner={"name": "none"})
    search(run, given)
    more = plan(name="eased", budget={"trials": 3}, pruner={"name": "none"}, resources={"max_failures": 1})
    events = search(run, more)
    assert events[0] == Note("plan version 2: budget.trials: 2 -> 3; resources.max_failures: 3 -> 1")
    assert [event.number for event in events if isinstance(event, TrialStarted)] == [2]
    assert Plan.read(run.plan) == more
    for refused, extend in (
        (plan(name="eased", seed=1), False),
        (plan(name="eased", data={"dataset": "mnist"}), True),
    ):
        with pytest.raises(PlanDiffers), starting(run, refused, NOWHERE, LOCAL, extend=extend):
            pass
    assert len(Sweep.read(run.path).plans) == 2
