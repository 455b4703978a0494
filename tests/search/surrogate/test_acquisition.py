"""The expected improvement, and the search for its maximum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from search.plan.space import Space
from search.surrogate.acquisition import log_expected_improvement, maximized, random_points
from search.surrogate.encoding import Encoding


@pytest.mark.parametrize(("mean", "sd", "best"), [(0.0, 1.0, 0.0), (1.0, 0.5, 0.2), (-2.0, 0.7, 0.5)])
def test_it_is_the_logarithm_of_the_expected_improvement(mean: float, sd: float, best: float) -> None:
    expected, _ = quad(lambda y: (y - best) * norm.pdf(y, mean, sd), best, best + 20)
    got = log_expected_improvement(np.array([mean]), np.array([sd]), best)[0]
    assert got == pytest.approx(math.log(expected), abs=1e-6)


def test_it_is_finite_and_ordered_where_the_improvement_itself_would_be_zero() -> None:
    means = -np.array([1.0, 5.0, 20.0, 100.0, 1e3, 1e5])
    values = log_expected_improvement(means, np.ones(6), 0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def encoding(table: dict) -> Encoding:
    space, faults = Space.parse(table)
    assert faults == []
    return Encoding(space)


def test_the_maximum_of_a_peak_is_found_in_seven_dimensions() -> None:
    cube = encoding({f"x{at}": {"low": 0.0, "high": 1.0} for at in range(7)})
    peak = np.linspace(0.1, 0.9, 7)
    starts = np.array([peak + 0.15])
    found = maximized(
        lambda points: -np.sum((points - peak) ** 2, axis=1), cube, starts, lambda point: True, 0
    )
    assert found is not None
    assert np.abs(found - peak).max() < 0.06


def test_only_allowed_points_are_returned_and_none_where_none_is() -> None:
    grid = encoding({"a": {"low": 0, "high": 4}, "b": {"choices": ["x", "y"]}})
    every = {point.tobytes() for point in random_points(grid, 256, 0)}
    assert len(every) == 10
    left = set(every)
    for _ in range(10):
        found = maximized(
            lambda points: -points[:, 0], grid, np.zeros((0, 2)), lambda point: point.tobytes() in left, 1
        )
        assert found is not None
        left.remove(found.tobytes())
    assert maximized(lambda points: -points[:, 0], grid, np.zeros((0, 2)), lambda point: False, 1) is None
