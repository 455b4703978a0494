"""Recipes as points: every point is a recipe of the space, and comes back as the same point."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.plan.space import Space
from search.surrogate.encoding import ABSENT, MIDDLE, Encoding

TABLE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
    "width": {"low": 1, "high": 4096, "log": True},
    "layers": {"low": 1, "high": 9, "step": 2},
    "seed": {"low": 0, "high": 2**31 - 1},
    "fixed": {"low": 3, "high": 3},
    "sizes": {"choices": [[128, 64], [256]]},
    "schedule": {"choices": ["constant", "step", True, 1.5]},
    "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": ["step", True]}},
    "every": {"choices": [1, 2, 3], "when": {"schedule": "step"}},
    "offset": {"low": 0.0, "high": 1.0, "when": {"every": [2, 3], "layers": [1, 3, 5]}},
}


def space_of(table: dict[str, Any]) -> Space:
    space, faults = Space.parse(table)
    assert faults == []
    return space


SPACE = space_of(TABLE)
ENCODING = Encoding(SPACE)
POSITIONS = st.lists(st.floats(0, 1), min_size=len(TABLE), max_size=len(TABLE))


@given(POSITIONS)
def test_a_point_is_a_recipe_of_the_space_and_comes_back(positions: list[float]) -> None:
    point = ENCODING.points(np.array([positions]))[0]
    params = ENCODING.params(point)
    sampled = SPACE.suggest(optuna.trial.FixedTrial(params))
    assert SPACE.decode(params) == sampled
    assert all(SPACE.settings[name].holds(value) for name, value in sampled.items())
    recorded = {name: params[name] for name in sampled}
    assert np.allclose(ENCODING.point(recorded), point, atol=1e-12)


@given(POSITIONS)
def test_a_hyperparameter_whose_condition_fails_has_a_fixed_coordinate(positions: list[float]) -> None:
    point = ENCODING.points(np.array([positions]))[0]
    present = SPACE.decode(ENCODING.params(point))
    for name, coordinate, is_choice in zip(SPACE.order, point, ENCODING.choices, strict=True):
        if name not in present:
            assert coordinate == (ABSENT if is_choice else MIDDLE)


@given(POSITIONS)
def test_positions_of_a_point_give_the_point(positions: list[float]) -> None:
    points = ENCODING.points(np.array([positions]))
    assert np.allclose(ENCODING.points(ENCODING.units(points)), points, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "values"),
    [("layers", [1, 3, 5, 7, 9]), ("dropout", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]), ("sizes", [[128, 64], [256]])],
)
def test_every_value_of_a_small_range_has_an_equal_share(name: str, values: list[Any]) -> None:
    encoding = Encoding(space_of({name: TABLE[name]}))
    units = (np.arange(600)[:, None] + 0.5) / 600
    space = space_of({name: TABLE[name]})
    drawn = [space.decode(encoding.params(point))[name] for point in encoding.points(units)]
    counts = [
        sum(np.isclose(value, other).all() if np.shape(value) == np.shape(other) else 0 for other in drawn)
        for value in values
    ]
    assert counts == [600 // len(values)] * len(values)


def test_equal_values_of_a_range_with_steps_are_one_point() -> None:
    at = SPACE.order.index("dropout")
    assert ENCODING.point({"dropout": 0.30000000000000004})[at] == ENCODING.point({"dropout": 0.3})[at]


@settings(max_examples=20)
@given(st.integers(0, 2**31 - 1))
def test_a_wide_range_takes_no_memory(value: int) -> None:
    encoding = Encoding(space_of({"seed": TABLE["seed"]}))
    assert encoding.params(encoding.point({"seed": value})) == {"seed": value}
