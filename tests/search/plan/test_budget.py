"""Budgets and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.plan.budget import Budget, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("15m", 900),
        ("1h30m", 5400),
        ("90s", 90),
        ("2d", 172800),
        ("1.5h", 5400),
        (90.0, 90),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_parsed_to_seconds(written, amount):
    assert parse_duration(written) == amount


@pytest.mark.parametrize(
    "written",
    ["", "m", "15 m", "-1m", "1.5.2", "0s", 0, -3, 90, "90", "1.5", True, float("nan"), 10**400, None],
)
def test_an_invalid_duration_is_rejected(written):
    with pytest.raises(
        ValueError, match=r"must have a unit|must be a duration such|must be more than 0 seconds"
    ):
        parse_duration(written)


@given(st.floats(1e-3, 1e9) | st.integers(1, 10**9).map(float))
def test_a_duration_survives_formatting_and_parsing(amount):
    assert parse_duration(format_duration(amount)) == amount


def test_each_limit_limits_a_budget():
    assert not Budget().limited
    assert Budget(trials=1).limited and Budget(wall_time="1m").limited and Budget(epochs=1).limited
