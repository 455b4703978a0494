"""Comparisons against scipy's tests and published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from correctness import no_deadline, sizes_and_seed, trained_bits, two_models
from examples import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency, ttest_ind

from reports.statistics.comparison import compare, compare_scores, mcnemar, two_proportions

LEVELS = [0.2, 0.05, 0.01]
counts = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(counts)
@no_deadline
def test_mcnemars_p_is_scipys_binomial_one(differing: tuple[int, int]) -> None:
    wins, losses = differing
    ours = mcnemar(*two_models(wins, losses, 100))
    assert ours[:2] == (wins, losses)
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert ours.p == pytest.approx(expected, abs=1e-12)


def test_mcnemar_agrees_with_a_published_example() -> None:
    """Two media for tubercle bacilli, 12 sputa grew on one alone and 2 on the other: exact p 0.0129
    (P. Armitage and G. Berry, Statistical Methods in Medical Research, 1994, page 127)."""
    assert mcnemar(*two_models(12, 2, 50)).p == pytest.approx(0.0129, abs=5e-5)


def test_mcnemar_needs_the_same_examples() -> None:
    with pytest.raises(ValueError, match=r"both must be bool \[N\], but got shapes \(3,\) and \(4,\)"):
        mcnemar(np.ones(3, dtype=np.bool_), np.ones(4, dtype=np.bool_))


@given(counts, st.sampled_from(LEVELS))
@settings(no_deadline, max_examples=60)
def test_one_seed_each_is_mcnemar_with_an_interval_that_agrees(
    differing: tuple[int, int], level: float
) -> None:
    one, other = two_models(*differing, 100)
    result = compare(one[None], other[None], level)
    assert result.p == mcnemar(one, other).p
    assert (result.p <= level) == (not result.low <= 0 <= result.high)
    assert -1 <= result.low <= result.difference <= result.high <= 1


@pytest.mark.slow
def test_the_interval_of_two_models_covers_the_true_difference() -> None:
    """Of 300 pairs with a true difference of 0.04 at 20 %, 80 % should cover it or more: exact limits
    are wide. Fewer than 74 % would come up in under 1 in 200 runs of one that covers 80 %."""
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        apart = random.choice([1, -1, 0], p=[0.06, 0.02, 0.92], size=250)
        result = compare((apart >= 0)[None], (apart <= 0)[None], 0.2)
        hits += result.low <= 0.04 <= result.high
    assert hits >= 0.74 * 300


@pytest.mark.slow
@given(sizes_and_seed, st.sampled_from(LEVELS))
@settings(no_deadline, max_examples=examples(20, 60))
def test_the_p_and_the_interval_of_a_comparison_agree(sizes: tuple[int, int, int, int], level: float) -> None:
    first, second, count, seed = sizes
    random = np.random.default_rng(seed)
    one, other = trained_bits(first, count, random), trained_bits(second, count, random, 2.0)
    result = compare(one, other, level)
    assert result.difference == pytest.approx(one.mean() - other.mean())
    assert 0 <= result.p <= 1
    assert -1 <= result.low <= result.difference <= result.high <= 1
    assert (result.p <= level) == (not result.low <= 0 <= result.high)


@pytest.mark.slow
@given(sizes_and_seed)
@settings(no_deadline, max_examples=examples(12, 40))
def test_a_comparison_turned_round_is_its_mirror_image(sizes: tuple[int, int, int, int]) -> None:
    first, second, count, seed = sizes
    random = np.random.default_rng(seed)
    one, other = trained_bits(first, count, random), trained_bits(second, count, random, 2.0)
    there, back = compare(one, other), compare(other, one)
    assert there.p == pytest.approx(back.p, rel=1e-9)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_a_recipe_is_not_different_from_itself() -> None:
    bits = trained_bits(4, 500, np.random.default_rng(0))
    result = compare(bits, bits)
    assert result.difference == 0.0
    assert result.p == pytest.approx(1)
    assert result.low < 0 < result.high


def test_recipes_that_differ_only_by_their_seeds_luck_compare_as_two_means() -> None:
    """Seeds that are right or wrong on everything alike leave the examples nothing to add."""
    lucky = np.zeros((6, 4000), dtype=np.bool_)
    poor = np.zeros((5, 4000), dtype=np.bool_)
    for row, share in zip(lucky, [0.92, 0.9, 0.94, 0.91, 0.93, 0.9], strict=True):
        row[: int(4000 * share)] = True
    for row, share in zip(poor, [0.85, 0.88, 0.81, 0.86, 0.84], strict=True):
        row[: int(4000 * share)] = True
    ours = compare(lucky, poor)
    welch = ttest_ind(lucky.mean(axis=1), poor.mean(axis=1), equal_var=False).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((welch.low, welch.high), abs=0.01)
    assert ours.low < welch.low
    assert ours.high > welch.high


def test_a_lone_seed_is_taken_to_vary_as_the_others_do() -> None:
    random = np.random.default_rng(1)
    one, other = trained_bits(5, 2000, random, 1.0), trained_bits(5, 2000, random, 1.0)
    of_models = compare(one[:1], other[:1])
    of_recipes = compare(one[:1], other)
    assert of_recipes.high - of_recipes.low > of_models.high - of_models.low


def test_recipes_on_other_examples_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="the same examples, but got 3 and 4"):
        compare(np.ones((2, 3), dtype=np.bool_), np.ones((2, 4), dtype=np.bool_))
    with pytest.raises(ValueError, match=r"must be bool \[seeds, N\]"):
        compare(np.ones(3, dtype=np.bool_), np.ones((2, 3), dtype=np.bool_))
    with pytest.raises(ValueError, match="0 < level < 1 must hold, but got level=0"):
        compare(np.ones((2, 3), dtype=np.bool_), np.ones((2, 3), dtype=np.bool_), 0)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("uneven", [1.0, 4.0])
def test_equal_recipes_differ_significantly_no_more_often_than_stated(seeds: int, uneven: float) -> None:
    """200 comparisons at a level of 5 %: more than 21 alarms would come up in fewer than 1 in 1000 runs
    of a test that holds its level exactly. Examples are drawn again each time, and so are seeds."""
    random = np.random.default_rng(seeds)
    alarms = 0
    for _ in range(200):
        ease = random.choice([0.5, 1.5, 9.0], p=[0.02, 0.03, 0.95], size=2000)
        one = trained_bits(seeds, 2000, random, 0.1, ease)
        # Luck with a reach also lowers the mean, by a factor in the margins; that is given back.
        wide = math.sqrt((1 + (0.1 * uneven) ** 2) / (1 + 0.1**2))
        other = trained_bits(seeds, 2000, random, 0.1 * uneven, ease * wide)
        alarms += compare(one, other).p <= 0.05
    assert alarms <= 21


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=9), st.lists(st.integers(0, 1000), min_size=2))
@no_deadline
def test_scores_are_compared_as_scipy_does(one: list[int], other: list[int]) -> None:
    assume(max(np.ptp(one), np.ptp(other)) > 0)
    ours = compare_scores(one, other, 0.1)
    theirs = ttest_ind(one, other, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


def test_one_score_each_tells_nothing() -> None:
    result = compare_scores([0.5], [0.9])
    assert result[1:4] == (-math.inf, math.inf, 1.0)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
@no_deadline
def test_two_proportions_are_pearsons_chi_squared(first: int, second: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, first)), data.draw(st.integers(0, second))
    ours = two_proportions(a / first, first, b / second, second)
    if a + b in (0, first + second):
        assert ours == 1.0
    else:
        theirs = chi2_contingency([[a, first - a], [b, second - b]], correction=False)
        assert ours == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


def test_shares_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must hold, but got shares 1\.2, 0\.5 and counts 10, 10"):
        two_proportions(1.2, 10, 0.5, 10)
