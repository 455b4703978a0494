"""Where trials fail."""

from __future__ import annotations

import numpy as np

from search.surrogate.feasibility import Feasibility


def test_a_bound_beyond_which_trials_fail_is_learned_from_few() -> None:
    points = np.random.default_rng(0).random((16, 3))
    trained = points[:, 0] < 0.6
    learned = Feasibility(points, trained, np.zeros(3, dtype=bool))
    grid = np.random.default_rng(1).random((2000, 3))
    probability = np.exp(learned.log_probability(grid))
    assert probability[grid[:, 0] < 0.4].mean() > 0.7
    assert probability[grid[:, 0] > 0.8].mean() < 0.3


def test_nothing_beyond_a_bound_that_separates_all_failures_is_likely() -> None:
    """At the border itself a process is unsure; the bound lies half-way to the first failure."""
    points = np.random.default_rng(0).random((16, 3))
    trained = points[:, 0] < 0.6
    highest, first = points[trained, 0].max(), points[~trained, 0].min()
    learned = Feasibility(points, trained, np.zeros(3, dtype=bool))
    grid = np.tile(points[trained][np.argmax(points[trained, 0])], (2, 1))
    grid[:, 0] = highest + (first - highest) * np.array([0.4, 0.6])
    probability = np.exp(learned.log_probability(grid))
    assert probability[0] > 0.25 >= probability[1]


def test_a_choice_that_fails_is_told_from_one_that_is_trained() -> None:
    points = np.array([[0.0, 0.2], [0.0, 0.8], [1.0, 0.3], [1.0, 0.7], [2.0, 0.5]])
    trained = np.array([True, True, False, False, True])
    learned = Feasibility(points, trained, np.array([True, False]))
    probability = np.exp(learned.log_probability(np.array([[0.0, 0.5], [1.0, 0.5], [2.0, 0.4]])))
    assert probability[1] < 0.3 < 0.6 < min(probability[0], probability[2])


def test_nothing_is_unlikely_while_nothing_has_failed() -> None:
    learned = Feasibility(
        np.random.default_rng(0).random((4, 2)), np.ones(4, dtype=bool), np.zeros(2, dtype=bool)
    )
    assert not learned.log_probability(np.random.default_rng(1).random((9, 2))).any()
