"""A Gaussian process over recipes, whose observations may be uncertain to different degrees."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import block_diag, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

_ROOT_5 = math.sqrt(5.0)
_JITTER = 1e-8
_MEAN_VARIANCE = 1.0
"""Prior variance of the constant mean, for targets of about unit variance."""
_NOISE = (math.log(3e-3), 1.5)
"""Mean and standard deviation of the log of the noise's variance, beyond the known errors."""
_AMPLITUDE = (0.0, 1.0)
"""The same of the function's variance."""
_PENDING = 0.1
"""Variance of a pending trial's assumed outcome, as a share of the process's variance there."""
_LENGTH_SPREAD = 1.0
"""Standard deviation of the log of a length."""


def squared_distances(first: np.ndarray, second: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """The squared distances along each coordinate, of shape [d, n, m]: of two choices, 0 if equal, else 1.

    first: points of shape [n, d]. second: of shape [m, d]. choices: which coordinates are choices."""
    difference = first.T[:, :, None] - second.T[:, None, :]
    squared = difference**2
    squared[choices] = (difference[choices] != 0).astype(float)
    return np.asarray(squared)


def matern_52(squared: np.ndarray) -> np.ndarray:
    """The Matérn kernel of smoothness 5/2 for squared scaled distances."""
    return np.asarray(matern_and_slope(squared)[0])


def matern_and_slope(squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Matérn kernel of smoothness 5/2 for squared scaled distances, and minus twice its derivative by
    them."""
    scaled = _ROOT_5 * np.sqrt(squared)
    decay = np.exp(-scaled)
    return (1.0 + scaled + scaled**2 / 3.0) * decay, 5.0 / 3.0 * (1.0 + scaled) * decay


class GaussianProcess:
    """The posterior of a function of recipes: Matérn 5/2, a length for each coordinate, constant mean.

    The hyperparameters are those of maximal posterior density under weak priors: lengths of about half the
    diagonal of the cube, unit variance, little noise.
    """

    def __init__(
        self,
        points: np.ndarray,
        targets: np.ndarray,
        errors: np.ndarray,
        choices: np.ndarray,
        log_lengths: np.ndarray,
        log_amplitude: float,
        log_noise: float,
    ) -> None:
        """points: of shape [n, d]. targets: of shape [n], of about zero mean and unit variance. errors: known
        covariance of the targets' errors, of shape [n, n]. log_lengths: of shape [d]."""
        self._points, self._choices = points, choices
        self._targets, self._errors = targets, errors
        self._log_lengths, self._log_amplitude, self._log_noise = log_lengths, log_amplitude, log_noise
        self._scales = np.exp(-2.0 * log_lengths)
        self._amplitude = math.exp(log_amplitude)
        self.noise = math.exp(log_noise)
        """Variance of an observation that is known exactly otherwise."""
        kernel = self._kernel(points) + errors
        kernel[np.diag_indices_from(kernel)] += self.noise + _JITTER
        self._factor = cholesky(kernel, lower=True)
        self._weights = cho_solve((self._factor, True), targets)

    @classmethod
    def fit(
        cls,
        points: np.ndarray,
        targets: np.ndarray,
        errors: np.ndarray,
        choices: np.ndarray,
        max_noise: float = 2.0,
    ) -> GaussianProcess:
        """The process for observations; see `__init__` for the shapes. max_noise: upper bound of the noise's
        variance."""
        dimensions = points.shape[1]
        length_mean = math.log(0.5 * math.sqrt(max(dimensions, 1)))
        distances = squared_distances(points, points, choices)
        diagonal = np.diag_indices(len(points))

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            log_lengths, log_amplitude, log_noise = parameters[:-2], parameters[-2], parameters[-1]
            scales, amplitude, noise = np.exp(-2 * log_lengths), math.exp(log_amplitude), math.exp(log_noise)
            similarity, slope = matern_and_slope(np.tensordot(scales, distances, 1))
            kernel = amplitude * similarity + _MEAN_VARIANCE + errors
            kernel[diagonal] += noise + _JITTER
            factor = cholesky(kernel, lower=True, check_finite=False)
            weights = cho_solve((factor, True), targets, check_finite=False)
            inverse = cho_solve((factor, True), np.eye(len(points)), check_finite=False)
            value = 0.5 * targets @ weights + np.log(factor[diagonal]).sum()
            outer = inverse - np.outer(weights, weights)
            by_length = 0.5 * np.tensordot(distances, outer * slope * amplitude, 2) * scales
            gradient = np.concatenate(
                [by_length, [0.5 * amplitude * np.sum(outer * similarity), 0.5 * noise * np.trace(outer)]]
            )
            deviations = np.concatenate(
                [
                    (log_lengths - length_mean) / _LENGTH_SPREAD,
                    [(log_amplitude - _AMPLITUDE[0]) / _AMPLITUDE[1], (log_noise - _NOISE[0]) / _NOISE[1]],
                ]
            )
            spreads = np.array([_LENGTH_SPREAD] * dimensions + [_AMPLITUDE[1], _NOISE[1]])
            return float(value + 0.5 * deviations @ deviations), gradient + deviations / spreads

        noise_start = min(_NOISE[0], math.log(max_noise))
        start = np.array([length_mean] * dimensions + [_AMPLITUDE[0], noise_start])
        bounds = [(math.log(0.05), math.log(50.0))] * dimensions + [
            (-5.0, 4.0),
            (math.log(1e-6), math.log(max_noise)),
        ]
        fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}).x
        return cls(points, targets, errors, choices, fitted[:-2], float(fitted[-2]), float(fitted[-1]))

    def with_pending(self, points: np.ndarray) -> GaussianProcess:
        """The process as if its own mean had been observed at points of shape [m, d], where trials are
        pending: there is less to learn there."""
        mean, variance = self.predict(points)
        return GaussianProcess(
            np.concatenate([self._points, points]),
            np.concatenate([self._targets, mean]),
            block_diag(self._errors, np.diag(_PENDING * variance)),
            self._choices,
            self._log_lengths,
            self._log_amplitude,
            self._log_noise,
        )

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """The observation nearest to each point by the process's lengths, as an index of shape [m]."""
        distances = squared_distances(points, self._points, self._choices)
        return np.asarray(np.tensordot(self._scales, distances, 1).argmin(axis=1))

    def _kernel(self, points: np.ndarray) -> np.ndarray:
        squared = np.tensordot(self._scales, squared_distances(points, self._points, self._choices), 1)
        return self._amplitude * matern_and_slope(squared)[0] + _MEAN_VARIANCE

    def predict(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the function at points of shape [m, d], each of shape [m], without noise."""
        kernel = self._kernel(points)
        projected = solve_triangular(self._factor, kernel.T, lower=True, check_finite=False)
        variance = self._amplitude + _MEAN_VARIANCE - np.sum(projected**2, axis=0)
        return kernel @ self._weights, np.maximum(variance, 1e-12)
