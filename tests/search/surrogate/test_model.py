"""The surrogate of a search."""

from __future__ import annotations

import numpy as np
import pytest

from search.plan.space import Space
from search.surrogate.curves import Curve
from search.surrogate.encoding import Encoding
from search.surrogate.model import History, Model, bounded

SPACE, _ = Space.parse({"x": {"low": 0.0, "high": 1.0}, "y": {"low": 0.0, "high": 1.0}})
ENCODING = Encoding(SPACE)


def finished(count: int, seed: int = 0) -> list[Curve]:
    points = np.random.default_rng(seed).random((count, 2))
    return [Curve([0.1, 0.5, 0.9 - np.sum((point - 0.3) ** 2)], 3, point) for point in points]


def test_the_next_recipe_is_near_the_best_and_the_same_each_time() -> None:
    points = [Model(History(finished(20)), ENCODING, 4).suggest(lambda point: True) for _ in range(2)]
    assert np.array_equal(points[0], points[1])
    assert np.abs(points[0] - 0.3).max() < 0.25


def test_a_trial_is_not_suggested_where_one_is_pending() -> None:
    known = finished(5)
    first = Model(History(known), ENCODING, 4).suggest(lambda point: True)
    second = Model(History(known, [first]), ENCODING, 4).suggest(lambda point: True)
    assert np.abs(first - second).max() > 0.01


def test_the_chance_of_a_trial_to_be_the_best_follows_its_curve() -> None:
    curves = [
        Curve([0.4, 0.5, 0.55, 0.58, 0.6, 0.61, 0.6, 0.61, 0.6], 9, point)
        for point in np.random.default_rng(0).random((6, 2))
    ]
    worse = Curve([0.1, 0.1, 0.1, 0.1, 0.1], 9, np.array([0.5, 0.5]))
    better = Curve([0.6, 0.7, 0.75, 0.78, 0.8], 9, np.array([0.2, 0.7]))
    chances = Model(History([*curves, worse, better]), ENCODING, 0).chances()
    assert chances[-2] < 0.05 < 0.9 < chances[-1]


@pytest.mark.slow
def test_the_time_for_a_suggestion_is_bounded_by_the_trials_that_are_learned_from() -> None:
    model = Model(History(finished(2000)), ENCODING, 1)
    assert model.suggest(lambda point: True) is not None
    assert model._points.shape == (250, 2)
    best = max(curve.values[-1] for curve in finished(2000))
    assert max(0.9 - np.sum((point - 0.3) ** 2) for point in model._points) == pytest.approx(best)


def test_a_long_history_is_bounded_and_keeps_the_best_and_the_trial_in_question() -> None:
    curves = finished(1500)
    history = History(curves, (), [np.zeros(2)] * 900, range(100, 1600))
    kept = bounded(history, 3, keep=777)
    assert len(kept.curves) == len(kept.curve_numbers) == 500
    assert len(kept.failed) == 250
    assert 777 in kept.curve_numbers
    by_number = dict(zip(range(100, 1600), curves, strict=True))
    assert all(
        by_number[number] is curve for number, curve in zip(kept.curve_numbers, kept.curves, strict=True)
    )
    ends = sorted(curve.values[-1] for curve in curves)
    assert sorted(curve.values[-1] for curve in kept.curves)[-100:] == ends[-100:]


def test_a_short_history_is_kept_as_it_is() -> None:
    history = History(finished(30), (), (), range(30))
    assert list(bounded(history, 0).curves) == list(history.curves)
