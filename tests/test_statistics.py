"""Intervals and comparisons, against scipy's and against figures worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from reports.statistics import against_published, spread, wilson


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(pair: tuple[int, int]) -> None:
    correct, count = pair
    theirs = binomtest(correct, count).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(correct, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 1000), st.sampled_from([0.5, 0.9, 0.99]))
def test_wilson_at_none_and_all_right_reaches_exactly_zero_and_one(count: int, confidence: float) -> None:
    assert wilson(0, count, confidence).low == 0.0
    assert wilson(count, count, confidence).high == 1.0


def test_ten_thousand_images_at_98_2_percent_carry_a_quarter_of_a_point() -> None:
    low, high = wilson(9820, 10_000)
    assert (high - low) / 2 == pytest.approx(0.0026, abs=0.0001)


@pytest.mark.parametrize(("correct", "count"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused_with_rule_and_value(correct: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"must hold, but got correct={correct}, count={count}"):
        wilson(correct, count)


def test_a_published_figure_is_beaten_below_the_interval_and_not_reached_above_it() -> None:
    low, high = wilson(9838, 10_000)
    assert against_published(9838, 10_000, 100 * low - 0.01) == "above"
    assert against_published(9838, 10_000, 100 * high + 0.01) == "below"
    assert against_published(9838, 10_000, 98.38) == "tied"


def test_the_intervals_ends_are_ties() -> None:
    assert wilson(0, 20).low == 0.0
    assert against_published(0, 20, 0.0) == "tied"
    assert against_published(20, 20, 100.0) == "tied"


def test_spread_over_seeds_divides_by_one_less() -> None:
    told = spread([98.1, 98.3])
    assert told.mean == pytest.approx(98.2)
    assert told.runs == 2
    assert told.deviation == pytest.approx(0.1414, abs=1e-4)


def test_one_seed_has_no_deviation_and_none_no_spread() -> None:
    assert spread([98.2]).deviation is None
    with pytest.raises(ValueError, match="at least one value"):
        spread([])
