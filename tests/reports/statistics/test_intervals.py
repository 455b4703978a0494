"""Intervals against scipy's, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from correctness import no_deadline, sizes_and_seed, trained_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from reports.statistics.intervals import Interval, mean_interval, spread, standing, wilson


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@no_deadline
def test_wilson_agrees_with_scipy(pair: tuple[int, int]) -> None:
    correct, count = pair
    theirs = binomtest(correct, count).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(correct, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 1000), st.sampled_from([0.5, 0.9, 0.99]))
@no_deadline
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
    assert standing(wilson(9838, 10_000), 100 * low - 0.01) == "better"
    assert standing(wilson(9838, 10_000), 100 * high + 0.01) == "worse"
    assert standing(wilson(9838, 10_000), 98.38) == "tied"


def test_the_intervals_ends_are_ties() -> None:
    assert wilson(0, 20).low == 0.0
    assert standing(wilson(0, 20), 0.0) == "tied"
    assert standing(wilson(20, 20), 100.0) == "tied"


def test_spread_over_seeds_divides_by_one_less() -> None:
    measured = spread([98.1, 98.3])
    assert measured.mean == pytest.approx(98.2)
    assert measured.runs == 2
    assert measured.deviation == pytest.approx(0.1414, abs=1e-4)


def test_one_seed_has_no_deviation_and_none_no_spread() -> None:
    assert spread([98.2]).deviation is None
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


@given(st.integers(0, 200), st.sampled_from([0.8, 0.95]))
@no_deadline
def test_the_mean_of_one_seed_has_wilsons_interval(right: int, confidence: float) -> None:
    bits = np.arange(200)[None] < right
    assert mean_interval(bits, confidence) == wilson(right, 200, confidence)


@given(sizes_and_seed)
@settings(no_deadline, max_examples=40)
def test_the_interval_of_a_mean_holds_it_and_stays_a_share(sizes: tuple[int, int, int, int]) -> None:
    seeds, _, count, seed = sizes
    bits = trained_bits(seeds, count, np.random.default_rng(seed))
    low, high = mean_interval(bits)
    assert 0 <= low <= bits.mean() <= high <= 1


def test_seeds_that_agree_on_everything_are_worth_one() -> None:
    bits = np.repeat(np.arange(1000)[None] < 950, 5, axis=0)
    assert mean_interval(bits) == pytest.approx(wilson(950, 1000), abs=1e-4)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_interval_of_a_mean_covers_the_recipes_accuracy(seeds: int) -> None:
    """Of 400 intervals of 95 %, fewer than 91.5 % would cover in under 1 in 300 runs of exact ones."""
    random = np.random.default_rng(seeds)
    truth = 0.1 * 0.6734 + 0.9  # NormalDist().cdf(0.5 / sqrt(1.25)), of luck with a reach of 0.5
    hits = 0
    for _ in range(400):
        ease = random.choice([0.5, 9.0], p=[0.1, 0.9], size=1000)
        low, high = mean_interval(trained_bits(seeds, 1000, random, 0.5, ease))
        hits += low <= truth <= high
    assert hits >= 0.915 * 400


def test_a_mean_stands_against_a_published_figure_by_its_interval() -> None:
    interval = Interval(0.981, 0.984)
    assert standing(interval, 98.05) == "better"
    assert standing(interval, 98.1) == "tied"
    assert standing(interval, 98.41) == "worse"
