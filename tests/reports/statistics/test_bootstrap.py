"""Resampled accuracies and how often each recipe is the best."""

from __future__ import annotations

import numpy as np
import pytest
from correctness import trained_bits

from reports.statistics.bootstrap import best_shares, bootstrap
from reports.statistics.comparison import compare
from reports.statistics.intervals import mean_interval


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_draws_reach_as_far_as_the_intervals(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    one, other = trained_bits(seeds, 5000, random, 0.1), trained_bits(seeds, 5000, random, 0.1)
    draws = bootstrap([one, other], draws=20_000)
    ends = np.quantile(draws[:, 0] - draws[:, 1], [0.025, 0.975])
    result = compare(one, other)
    assert np.ptp(ends) == pytest.approx(result.high - result.low, rel=0.06)
    assert ends.mean() == pytest.approx(result.difference, abs=0.05 * (result.high - result.low))
    alone = mean_interval(one)
    assert np.ptp(np.quantile(draws[:, 0], [0.025, 0.975])) == pytest.approx(alone.high - alone.low, rel=0.06)


def test_examples_are_shared_by_the_recipes_of_a_draw() -> None:
    bits = trained_bits(1, 500, np.random.default_rng(0))
    draws = bootstrap([bits, bits, ~bits], draws=200)
    assert draws.shape == (200, 3)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert draws[:, 0] + draws[:, 2] == pytest.approx(1)


def test_the_same_seed_draws_the_same() -> None:
    bits = [trained_bits(3, 200, np.random.default_rng(seed)) for seed in (0, 1)]
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
