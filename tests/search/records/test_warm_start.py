"""A search may begin with what another one learned, and ranks none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, TABLE, plan, search
from studies import carry_on, folder

from search.engine.events import Note
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.records.warm_start import CannotWarmStart, WarmStart
from search.start import starting
from search.study.base import Suggestion
from search.study.search import SearchStudy


def _plan(**changes: Any) -> Plan:
    return Plan.parse({**TABLE, "budget": {"trials": 20}, "recipe": {"epochs": 4}, **changes}, "test")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A finished search of twenty trials."""
    run = folder("other", tmp_path_factory.mktemp("runs"))
    carry_on(run, _plan(pruner={"name": "none"}))
    return Sweep.read(run.path)


def _begun(plan: Plan, other: Sweep, runs: Path, name: str = "new") -> RunFolder:
    run = folder(name, runs)
    WarmStart.of(other, plan).write(run.warm_start)
    return run


def test_the_sampler_begins_with_what_the_other_run_told(other: Sweep, tmp_path: Path) -> None:
    given = _plan(budget={"trials": 8}, seed=5, sampler={"name": "tpe", "n_startup_trials": 10})
    cold, warm = folder("cold", tmp_path), _begun(given, other, tmp_path)
    carry_on(cold, given)
    carry_on(warm, given)

    def mean_distance(run: RunFolder) -> float:
        import math

        drawn = [trial.recipe["learning_rate"] for trial in Sweep.read(run.path).trials]
        return sum(abs(math.log10(rate) + 2) for rate in drawn) / len(drawn)

    assert mean_distance(warm) < mean_distance(cold)  # the cold one draws at random so far


def test_its_trials_are_marked_and_are_none_of_this_sweep(other: Sweep, tmp_path: Path) -> None:
    given = _plan(budget={"trials": 3})
    run = _begun(given, other, tmp_path)
    carry_on(run, given)
    sweep = Sweep.read(run.path)
    assert [trial.number for trial in sweep.trials] == [0, 1, 2]
    assert sweep.warm_start is not None
    assert (sweep.warm_start.run, sweep.warm_start.taken) == ("other", 20)
    assert sweep.warm_start.sentence == "20 of 20 finished trials of other seed the sampler"
    assert len(sweep.ranked()) <= 3


def test_it_does_not_need_the_other_run_any_more_and_survives_a_resume(other: Sweep, tmp_path: Path) -> None:
    given = _plan(budget={"trials": 6}, sampler={"name": "tpe", "n_startup_trials": 5})
    whole, cut = _begun(given, other, tmp_path, "whole"), _begun(given, other, tmp_path, "cut")
    carry_on(whole, given)
    carry_on(cut, _plan(budget={"trials": 2}, sampler={"name": "tpe", "n_startup_trials": 5}))
    carry_on(cut, given)
    recipes = [[dict(trial.recipe) for trial in Sweep.read(run.path).trials] for run in (whole, cut)]
    assert recipes[0] == recipes[1]


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes", "random", "qmc"])
def test_every_sampler_bears_it(other: Sweep, tmp_path: Path, name: str) -> None:
    given = _plan(sampler={"name": name})
    study = SearchStudy(_begun(given, other, tmp_path), given)
    assert all(isinstance(study.ask(), Suggestion) for _ in range(3))


def test_a_warm_start_outlives_a_first_start_that_came_to_no_trial(other: Sweep, tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    given = plan(budget={"trials": 2}, recipe={"epochs": 4})
    with starting(run, given, NOWHERE, LOCAL, warm_start=other.folder):
        pass  # killed while Ray starts, say
    with starting(run, given, NOWHERE, LOCAL) as again:
        assert any("of other seed the sampler" in note for note in again._notes)
        assert again.study._warm_start_trials


def test_trials_outside_of_the_space_are_left_out_and_counted(other: Sweep) -> None:
    space = {**TABLE["space"], "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}
    given = _plan(space=space, recipe={"epochs": 4, "batch_size": 32})
    warm = WarmStart.of(other, given)
    inside = sum(trial.recipe["learning_rate"] >= 1e-3 for trial in other.trials)
    assert len(warm.fitting(given)) == inside < 20
    assert warm.sentence(given) == (
        f"{inside} of 20 finished trials of other seed the sampler; outside of this space by "
        f"learning_rate ({20 - inside}); trained with another batch_size ({inside})"
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"data": {"dataset": "mnist"}}, "the same data"),
        (
            {"trainable": "boosting", "space": {"depth": {"low": 1, "high": 3}}, "data": {}},
            "the same trainable",
        ),
        ({"space": {"learning_rate": {"low": 0.5, "high": 0.9}}}, "0 of 20 finished trials"),
    ],
)
def test_a_run_that_says_nothing_about_this_plan_is_refused(other: Sweep, changes: Any, fault: str) -> None:
    with pytest.raises(CannotWarmStart, match=fault):
        WarmStart.of(other, _plan(**changes))


def test_what_is_stored_is_read_back(other: Sweep, tmp_path: Path) -> None:
    warm = WarmStart.of(other, _plan())
    warm.write(tmp_path / "warm_start.json")
    assert WarmStart.read_from(tmp_path / "warm_start.json") == warm
    assert WarmStart.read_from(tmp_path / "none.json") is None


def test_a_search_on_ray_begins_warm_and_only_at_its_beginning(other: Sweep, tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    given = plan(budget={"trials": 2}, recipe={"epochs": 4})
    with starting(run, given, NOWHERE, LOCAL, warm_start=other.folder) as begun:
        events = list(begun)
    assert isinstance(events[0], Note)
    assert events[0].sentence.startswith("20 of 20 finished trials of other seed the sampler")
    assert all(trial.state is not State.FAILED for trial in Sweep.read(run.path).trials)
    search(run, given)
    with starting(run, given, NOWHERE, LOCAL, warm_start=other.folder):
        pass  # the same one again: the command line of the first start may be repeated
    with (
        pytest.raises(CannotWarmStart, match="only a new run"),
        starting(run, given, NOWHERE, LOCAL, warm_start=run.path),
    ):
        pass
