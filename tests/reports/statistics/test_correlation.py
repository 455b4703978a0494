"""Rank correlation: its value, its interval, and what has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.correlation import FEWEST, rank_correlation

FIGURES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=FEWEST, max_size=40)


@given(FIGURES)
def test_it_is_spearmans_with_ties_at_their_mean_rank(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    correlation = rank_correlation(one, other, draws=20)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert correlation is None
        return
    assert correlation is not None
    assert correlation.value == pytest.approx(float(stats.spearmanr(one, other).statistic), abs=1e-12)
    assert -1 <= correlation.low <= correlation.high <= 1


@given(FIGURES)
def test_it_knows_ranks_alone_and_turns_with_either_side(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    plain = rank_correlation(one, other, draws=50)
    assert rank_correlation([2.0**figure for figure in one], other, draws=50) == plain
    turned = rank_correlation([-figure for figure in one], other, draws=50)
    if plain is not None and turned is not None:
        assert turned.value == pytest.approx(-plain.value)
        assert (turned.low, turned.high) == pytest.approx((-plain.high, -plain.low))


def test_each_resample_is_ranked_anew_as_if_it_were_drawn_and_sorted() -> None:
    random = np.random.default_rng(3)
    one = np.round(random.normal(size=60), 1)
    other = np.round(one + random.normal(size=60), 1)
    correlation = rank_correlation(one.tolist(), other.tolist(), draws=300, seed=5)
    drawn = [
        float(stats.spearmanr(np.repeat(one, times), np.repeat(other, times)).statistic)
        for times in np.random.default_rng(5).multinomial(60, np.full(60, 1 / 60), size=300)
    ]
    assert correlation is not None
    assert (correlation.low, correlation.high) == pytest.approx(
        tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-12
    )
    assert rank_correlation(one.tolist(), other.tolist(), draws=300, seed=5) == correlation


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's of a normal pair with correlation 0.6
    covered = 0
    for _ in range(200):
        one = random.normal(size=50)
        other = 0.6 * one + 0.8 * random.normal(size=50)
        correlation = rank_correlation(one.tolist(), other.tolist(), draws=300)
        assert correlation is not None
        covered += correlation.low <= truth <= correlation.high
    assert 0.88 <= covered / 200 <= 0.99


def test_few_pairs_and_constants_have_no_correlation() -> None:
    rising = list(range(FEWEST))
    assert rank_correlation(rising[1:], rising[1:]) is None
    assert rank_correlation(rising, [1.0] * FEWEST) is None
    correlation = rank_correlation(rising, rising)
    assert correlation is not None
    assert correlation.value == 1.0
    with pytest.raises(ValueError, match="one length"):
        rank_correlation(rising, rising[1:])
