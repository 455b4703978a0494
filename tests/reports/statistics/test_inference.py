"""Intervals and comparisons, against scipy's and against figures worked out by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, chi2_contingency, ttest_ind

from reports.statistics.inference import (
    Interval,
    _Chance,
    _Part,
    against_published,
    best_shares,
    bootstrap,
    compare,
    compare_scores,
    mcnemar,
    mean_interval,
    spread,
    standing,
    two_proportions,
    wilson,
)
from reports.statistics.multiplicity import holm, selected, tie_groups

Bits = NDArray[np.bool_]
LEVELS = [0.2, 0.05, 0.01]


def pair(wins: int, losses: int, count: int) -> tuple[Bits, Bits]:
    """Two models' bits [count]: the one wins on so many examples and loses on others."""
    one, other = np.ones(count, dtype=np.bool_), np.ones(count, dtype=np.bool_)
    other[:wins] = False
    one[wins : wins + losses] = False
    return one, other


def networks(
    seeds: int,
    count: int,
    random: np.random.Generator,
    reach: float = 0.3,
    ease: NDArray[np.float64] | None = None,
) -> Bits:
    """Bits [seeds, count] of one recipe: some examples are hard, and a whole network's luck moves all."""
    margins = np.where(np.arange(count) < count // 10, 0.5, 9.0) if ease is None else ease
    luck = reach * random.standard_normal((seeds, 1))
    bits: Bits = margins + luck + random.standard_normal((seeds, count)) > 0
    return bits


unhurried = settings(deadline=None)  # a laden machine is slow, not wrong
counts = st.tuples(st.integers(0, 40), st.integers(0, 40))
drawn = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 300), st.integers(0, 2**32 - 1))


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@unhurried
def test_wilson_agrees_with_scipy(pair: tuple[int, int]) -> None:
    correct, count = pair
    theirs = binomtest(correct, count).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(correct, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 1000), st.sampled_from([0.5, 0.9, 0.99]))
@unhurried
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
    assert against_published(9838, 10_000, 100 * low - 0.01) == "better"
    assert against_published(9838, 10_000, 100 * high + 0.01) == "worse"
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


@given(counts)
@unhurried
def test_mcnemars_p_is_scipys_binomial_one(told: tuple[int, int]) -> None:
    wins, losses = told
    ours = mcnemar(*pair(wins, losses, 100))
    assert ours[:2] == (wins, losses)
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert ours.p == pytest.approx(expected, abs=1e-12)


def test_mcnemar_agrees_with_a_published_example() -> None:
    """Two media for tubercle bacilli, 12 sputa grew on one alone and 2 on the other: exact p 0.0129
    (P. Armitage and G. Berry, Statistical Methods in Medical Research, 1994, page 127)."""
    assert mcnemar(*pair(12, 2, 50)).p == pytest.approx(0.0129, abs=5e-5)


def test_mcnemar_needs_the_same_examples() -> None:
    with pytest.raises(ValueError, match=r"both must be bool \[N\], but got shapes \(3,\) and \(4,\)"):
        mcnemar(np.ones(3, dtype=np.bool_), np.ones(4, dtype=np.bool_))


@given(counts, st.sampled_from(LEVELS))
@settings(unhurried, max_examples=60)
def test_one_seed_each_is_mcnemar_with_an_interval_that_agrees(told: tuple[int, int], level: float) -> None:
    one, other = pair(*told, 100)
    result = compare(one[None], other[None], level)
    assert result.p == mcnemar(one, other).p
    assert (result.p <= level) == (not result.low <= 0 <= result.high)
    assert -1 <= result.low <= result.difference <= result.high <= 1


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


@given(drawn, st.sampled_from(LEVELS))
@settings(unhurried, max_examples=60)
def test_the_p_and_the_interval_of_a_comparison_agree(sizes: tuple[int, int, int, int], level: float) -> None:
    first, second, count, seed = sizes
    random = np.random.default_rng(seed)
    one, other = networks(first, count, random), networks(second, count, random, 2.0)
    result = compare(one, other, level)
    assert result.difference == pytest.approx(one.mean() - other.mean())
    assert 0 <= result.p <= 1
    assert -1 <= result.low <= result.difference <= result.high <= 1
    assert (result.p <= level) == (not result.low <= 0 <= result.high)


@given(drawn)
@settings(unhurried, max_examples=40)
def test_a_comparison_turned_round_is_its_mirror_image(sizes: tuple[int, int, int, int]) -> None:
    first, second, count, seed = sizes
    random = np.random.default_rng(seed)
    one, other = networks(first, count, random), networks(second, count, random, 2.0)
    there, back = compare(one, other), compare(other, one)
    assert there.p == pytest.approx(back.p, rel=1e-9)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_a_recipe_is_not_different_from_itself() -> None:
    bits = networks(4, 500, np.random.default_rng(0))
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


@pytest.mark.parametrize(
    "freedoms", [(300.0, 2.0, 2.0), (9999.0, 9.0, 4.0), (4.0, 2.0, 9.0), (300.0, 1.0, 1.0)]
)
@pytest.mark.parametrize("scales", [(1.0, 0.3, 0.3), (1.0, 2.0, 0.5), (0.05, 1.0, 1.0)])
def test_the_chance_of_a_sum_of_ts_is_that_of_a_million_draws(
    freedoms: tuple[float, float, float], scales: tuple[float, float, float]
) -> None:
    random = np.random.default_rng(0)
    drawn = zip(scales, freedoms, strict=True)
    sums = np.abs(sum(scale * random.standard_t(freedom, 1_000_000) for scale, freedom in drawn))
    examples, *seeds = map(_Part, scales, freedoms)
    chance = _Chance(examples, seeds)
    for level in (0.5, 0.05, 0.005):
        distance = float(np.quantile(sums, 1 - level))
        assert chance.beyond(distance) == pytest.approx(level, rel=0.015 + 4 / math.sqrt(1e6 * level))
        assert chance.beyond(chance.reach(level)) == pytest.approx(level, rel=1e-6)


def test_a_lone_seed_is_taken_to_vary_as_the_others_do() -> None:
    random = np.random.default_rng(1)
    one, other = networks(5, 2000, random, 1.0), networks(5, 2000, random, 1.0)
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


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("uneven", [1.0, 4.0])
def test_equal_recipes_are_told_apart_no_more_often_than_stated(seeds: int, uneven: float) -> None:
    """200 comparisons at a level of 5 %: more than 21 alarms would come up in fewer than 1 in 1000 runs
    of a test that holds its level exactly. Examples are drawn anew each time, and so are seeds."""
    random = np.random.default_rng(seeds)
    alarms = 0
    for _ in range(200):
        ease = random.choice([0.5, 1.5, 9.0], p=[0.02, 0.03, 0.95], size=2000)
        one = networks(seeds, 2000, random, 0.1, ease)
        # Luck with a reach also lowers the mean, by a factor in the margins; that is given back.
        wide = math.sqrt((1 + (0.1 * uneven) ** 2) / (1 + 0.1**2))
        other = networks(seeds, 2000, random, 0.1 * uneven, ease * wide)
        alarms += compare(one, other).p <= 0.05
    assert alarms <= 21


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=9), st.lists(st.integers(0, 1000), min_size=2))
@unhurried
def test_scores_are_compared_as_scipy_does(one: list[int], other: list[int]) -> None:
    assume(max(np.ptp(one), np.ptp(other)) > 0)
    ours = compare_scores(one, other, 0.1)
    theirs = ttest_ind(one, other, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


def test_one_score_each_tells_nothing() -> None:
    told = compare_scores([0.5], [0.9])
    assert told[1:4] == (-math.inf, math.inf, 1.0)


@given(st.integers(0, 200), st.sampled_from([0.8, 0.95]))
@unhurried
def test_the_mean_of_one_seed_has_wilsons_interval(right: int, confidence: float) -> None:
    bits = np.arange(200)[None] < right
    assert mean_interval(bits, confidence) == wilson(right, 200, confidence)


@given(drawn)
@settings(unhurried, max_examples=40)
def test_the_interval_of_a_mean_holds_it_and_stays_a_share(sizes: tuple[int, int, int, int]) -> None:
    seeds, _, count, seed = sizes
    bits = networks(seeds, count, np.random.default_rng(seed))
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
        low, high = mean_interval(networks(seeds, 1000, random, 0.5, ease))
        hits += low <= truth <= high
    assert hits >= 0.915 * 400


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_draws_reach_as_far_as_the_intervals(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    one, other = networks(seeds, 5000, random, 0.1), networks(seeds, 5000, random, 0.1)
    draws = bootstrap([one, other], draws=20_000)
    ends = np.quantile(draws[:, 0] - draws[:, 1], [0.025, 0.975])
    result = compare(one, other)
    assert np.ptp(ends) == pytest.approx(result.high - result.low, rel=0.06)
    assert ends.mean() == pytest.approx(result.difference, abs=0.05 * (result.high - result.low))
    alone = mean_interval(one)
    assert np.ptp(np.quantile(draws[:, 0], [0.025, 0.975])) == pytest.approx(alone.high - alone.low, rel=0.06)


def test_examples_are_shared_by_the_recipes_of_a_draw() -> None:
    bits = networks(1, 500, np.random.default_rng(0))
    draws = bootstrap([bits, bits, ~bits], draws=200)
    assert draws.shape == (200, 3)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert draws[:, 0] + draws[:, 2] == pytest.approx(1)


def test_the_same_seed_draws_the_same() -> None:
    bits = [networks(3, 200, np.random.default_rng(seed)) for seed in (0, 1)]
    assert (bootstrap(bits, 50, seed=7) == bootstrap(bits, 50, seed=7)).all()
    assert (bootstrap(bits, 50, seed=7) != bootstrap(bits, 50, seed=8)).any()


def test_draws_are_shares_even_from_two_seeds_far_apart() -> None:
    bits = np.repeat([[True], [False]], 100, axis=1)
    draws = bootstrap([bits], draws=1000)
    assert draws.min() >= 0
    assert draws.max() <= 1


def test_nothing_is_drawn_from_nothing() -> None:
    for correct, draws in (([], 10), ([np.ones((2, 3), dtype=np.bool_)], 0)):
        with pytest.raises(ValueError, match="1 <= recipes, 1 <= draws"):
            bootstrap(correct, draws)


def test_who_is_best_in_a_draw_shares_it_with_its_equals() -> None:
    draws = np.array([[0.9, 0.8, 0.7], [0.9, 0.9, 0.1], [0.5, 0.5, 0.5]])
    assert best_shares(draws) == pytest.approx([(1 + 1 / 2 + 1 / 3) / 3, (1 / 2 + 1 / 3) / 3, 1 / 9])
    assert best_shares(draws, maximize=False) == pytest.approx([1 / 9, 1 / 9, (2 + 1 / 3) / 3])
    with pytest.raises(ValueError, match=r"not empty, but got \(0, 3\)"):
        best_shares(np.ones((0, 3)))


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.001, 0.01, 0.03, 0.5], [0.004, 0.03, 0.06, 0.5]),
        ([1, 0.5, 0.1, 0.001, 0.0001, 0.002], [1, 1, 0.3, 0.005, 0.0006, 0.008]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([], []),
    ],
)
def test_holm_agrees_with_published_examples(p_values: list[float], expected: list[float]) -> None:
    """The documentation of Julia's MultipleTesting, R's p.adjust as the tests of Julia's PValueAdjust
    have it, and Wikipedia's "Holm-Bonferroni method"."""
    assert holm(p_values) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), max_size=12))
@unhurried
def test_holm_keeps_the_order_and_lies_between_the_bare_p_and_bonferronis(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(
        p <= told <= min(1.0, len(p_values) * p) + 1e-15 for p, told in zip(p_values, adjusted, strict=True)
    )
    assert sorted(adjusted) == [told for _, told in sorted(zip(p_values, adjusted, strict=True))]


def test_a_p_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="0 <= p <= 1 must hold"):
        holm([0.5, 1.5])


def test_a_winner_chosen_among_three_counts_all_three_pairs() -> None:
    """Of three equal pairs none can be the only unequal one, so once one is rejected one is left."""
    assert selected([0.01, 0.02], 3) == pytest.approx([0.03, 0.03])
    assert selected([0.01], 6) == pytest.approx([0.15])
    assert selected([], 1) == []
    with pytest.raises(ValueError, match="at most candidates - 1 of them must hold"):
        selected([0.1, 0.1, 0.1], 3)


@given(st.lists(st.floats(0, 1), max_size=5))
@unhurried
def test_a_chosen_winner_is_judged_no_more_kindly_than_one_named_before(p_values: list[float]) -> None:
    adjusted = zip(selected(p_values, 6), holm(p_values), strict=True)
    assert all(chosen >= named - 1e-12 for chosen, named in adjusted)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
@unhurried
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


def test_rows_tied_with_the_first_of_a_group_belong_to_it() -> None:
    assert tie_groups([9, 8, 7, 6, 3], lambda first, other: first - other < 2) == [[9, 8], [7, 6], [3]]
    assert tie_groups([], lambda first, other: True) == []


@given(st.lists(st.integers(0, 30)).map(lambda rows: sorted(rows, reverse=True)), st.integers(0, 9))
@unhurried
def test_groups_hold_every_row_once_and_in_order(rows: list[int], reach: int) -> None:
    groups = tie_groups(rows, lambda first, other: first - other <= reach)
    assert [row for group in groups for row in group] == rows
    assert all(group[0] - row <= reach for group in groups for row in group)
    assert all(one[0] - next_one[0] > reach for one, next_one in pairwise(groups))


def test_a_mean_stands_against_a_published_figure_by_its_interval() -> None:
    interval = Interval(0.981, 0.984)
    assert standing(interval, 98.05) == "better"
    assert standing(interval, 98.1) == "tied"
    assert standing(interval, 98.41) == "worse"
