"""What a search will cost: from the timed recipes to its limits, and the recipes that are timed."""

from __future__ import annotations

import math

import pytest
from searches import LOCAL, NOWHERE, noop_plan, plan

from search.cost import TimedRecipe, corners, cost_of, timed_recipes, workers_of
from search.plan.plan import Plan


def timed(*seconds: float, epochs: int = 10) -> list[TimedRecipe]:
    default = TimedRecipe({}, 100.0, epochs, 1000)
    return [default, *(TimedRecipe({"x": value}, value, epochs, 2000) for value in seconds)]


def limited(**budget: object) -> Plan:
    return plan(budget=budget, confirmation={"candidates": 2, "seeds": 5})


def test_the_limit_that_is_reached_first_ends_the_search() -> None:
    cost = cost_of(limited(trials=30, epochs=200, wall_time="1h"), timed(1.0, 1.0, 1.0), workers=2)
    assert cost.limits["trials"].seconds == 30 * 10 * 1.0 / 2
    assert cost.limits["epochs"].seconds == 200 * 1.0 / 2
    assert cost.limits["wall_time"].seconds == 3600
    assert cost.first_limit == "epochs"
    assert cost.trials_per_hour == 720
    assert cost.confirmation is not None
    assert cost.confirmation.seconds == 3 * 5 * 10 / 2
    assert cost.checkpoint_bytes == 2000


def test_recipes_that_differ_widen_the_interval_up_to_the_shortest_and_the_longest() -> None:
    equal = cost_of(limited(trials=20), timed(1.0, 1.0), workers=1).limits["trials"]
    near = cost_of(limited(trials=20), timed(1.0, 1.1, 0.9, 1.05, 0.95, 1.0), workers=1).limits["trials"]
    far = cost_of(limited(trials=20), timed(0.1, 1.9), workers=1).limits["trials"]
    assert (equal.low, equal.high) == (equal.seconds, equal.seconds)
    assert near.low is not None
    assert near.high is not None
    assert 180 < near.low < near.seconds < near.high < 220
    assert (far.low, far.high) == (20, 380)


def test_one_recipe_has_no_interval() -> None:
    estimate = cost_of(limited(trials=20), timed(), workers=4).limits["trials"]
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.seconds == 20 * 10 * 100 / 4


def test_fewer_trials_than_workers_take_as_long_as_one() -> None:
    assert cost_of(limited(trials=2), timed(1.0, 1.0), workers=8).limits["trials"].seconds == 10


def test_a_search_that_only_patience_ends_has_no_limit() -> None:
    assert cost_of(limited(patience=5), timed(1.0), workers=1).first_limit is None


def test_corners_have_each_range_at_an_end_and_conditions_hold() -> None:
    searched = plan()
    found = list(corners(searched, 6))
    assert found[0] == {}
    assert len(found) == 7
    for sampled in found[1:]:
        assert any(math.isclose(sampled["learning_rate"], end) for end in (1e-4, 1e-1))
        assert ("gamma" in sampled) == (sampled["schedule"] == "step")
    assert len({str(sampled) for sampled in found}) == 7


def test_a_space_with_few_corners_yields_each_once() -> None:
    found = list(corners(noop_plan(trials=1), 10))
    assert found == [{}, {"x": 0.0}, {"x": 1.0}]


@pytest.mark.parametrize(("patience", "count"), [(60.0, 3), (0.0, 1)])
def test_the_default_recipe_is_timed_whatever_the_patience(patience: float, count: int) -> None:
    searched = noop_plan(trials=4, epochs=7, seconds=0.05)
    found = list(timed_recipes(searched, NOWHERE, "cpu", 6, patience))
    assert len(found) == count
    for recipe in found:
        assert 0.05 <= recipe.epoch_seconds < 0.5
        assert recipe.epochs == 7
        assert recipe.checkpoint_bytes > 0


def test_this_process_alone_trains_one_trial_at_a_time() -> None:
    assert workers_of(plan(resources={"cpus": 64}), LOCAL) == 1
