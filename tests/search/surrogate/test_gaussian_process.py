"""The Gaussian process agrees with what is certain, and is unsure elsewhere."""

from __future__ import annotations

import numpy as np
from scipy.optimize import approx_fprime

from search.surrogate import gaussian_process
from search.surrogate.gaussian_process import GaussianProcess, squared_distances

NUMBERS = np.zeros(2, dtype=bool)


def smooth(points: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(4 * points[:, 0]) + points[:, 1] ** 2 - 0.5)


def fitted(count: int, errors: float = 0.0) -> tuple[GaussianProcess, np.ndarray]:
    points = np.random.default_rng(3).random((count, 2))
    return GaussianProcess.fit(points, smooth(points), errors * np.eye(count), NUMBERS), points


def test_it_predicts_a_smooth_function_between_its_observations() -> None:
    process, _ = fitted(40)
    points = np.random.default_rng(4).uniform(0.1, 0.9, (200, 2))
    mean, variance = process.predict(points)
    assert np.abs(mean - smooth(points)).max() < 0.1
    assert np.sqrt(variance).max() < 0.2


def test_uncertain_observations_pull_less() -> None:
    points = np.array([[0.2, 0.5], [0.8, 0.5]])
    targets = np.array([1.0, -1.0])
    kept, doubted = (
        GaussianProcess(points, targets, np.diag([0.0, error]), NUMBERS, np.zeros(2), 0.0, -5.0)
        for error in (0.0, 25.0)
    )
    assert kept.predict(points)[0][1] < -0.8
    assert doubted.predict(points)[0][1] > 0.0
    assert doubted.predict(points)[1][1] > kept.predict(points)[1][1]


def test_it_is_unsure_far_from_its_observations_and_surer_where_a_trial_is_pending() -> None:
    points = np.random.default_rng(5).uniform(0.0, 0.2, (20, 2))
    process = GaussianProcess.fit(points, smooth(points), np.zeros((20, 20)), NUMBERS)
    far = np.array([[0.9, 0.9]])
    near_variance, far_variance = process.predict(points)[1].max(), process.predict(far)[1][0]
    assert far_variance > 5 * near_variance
    with_pending = process.with_pending(far)
    assert with_pending.predict(far)[1][0] < 0.2 * far_variance
    assert np.allclose(with_pending.predict(far)[0], process.predict(far)[0], atol=1e-6)


def test_choices_are_equal_or_different_whatever_their_indices() -> None:
    first, second = np.array([[0.0, 0.3]]), np.array([[0.0, 0.3], [1.0, 0.3], [7.0, 0.3]])
    distances = squared_distances(first, second, np.array([True, False]))
    assert distances[0].tolist() == [[0.0, 1.0, 1.0]]
    assert not distances[1].any()


def test_the_gradient_of_the_fit_is_that_of_its_loss(monkeypatch) -> None:
    losses = []

    def keep(loss, start, **options):
        losses.append((loss, start))
        return real(loss, start, **options)

    real = gaussian_process.minimize
    monkeypatch.setattr(gaussian_process, "minimize", keep)
    fitted(12, 0.01)
    loss, start = losses[0]
    at = start + np.linspace(-0.3, 0.4, len(start))
    numeric = approx_fprime(at, lambda parameters: loss(parameters)[0], 1e-6)
    assert np.allclose(loss(at)[1], numeric, rtol=1e-3, atol=1e-3)
