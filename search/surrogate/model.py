"""What a search knows: how its trials end, measured or forecast, and which recipe to try next."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import t

from search.plan.sampler import MODELLED_TRIALS
from search.surrogate.acquisition import Allowed, log_expected_improvement, maximized
from search.surrogate.curves import Curve, Forecast, Scale, forecast
from search.surrogate.encoding import Encoding
from search.surrogate.feasibility import Feasibility
from search.surrogate.gaussian_process import GaussianProcess

_LIKELY = 0.5
"""Probability of being trained that a suggested recipe should have."""
_SAFE = 0.9
"""The same once more than `_FEW_FAILURES` of the trials have failed."""
_FEW_FAILURES = 0.1
_LITTLE = 0.25
"""Share of the usual effort for a suggestion, where trials are shorter than a draw."""
_UNLIKELY = 100.0
"""Loss of the log of the gain per log of a probability below these."""


@dataclass(frozen=True)
class History:
    """The trials of a search, as points of its space."""

    curves: Sequence[Curve] = ()
    """Trials with an epoch on record that neither failed nor diverged."""
    pending: Sequence[np.ndarray] = ()
    """Recipes of running trials without an epoch, each of shape [d]."""
    failed: Sequence[np.ndarray] = ()
    """Recipes that failed or diverged, each of shape [d]."""
    curve_numbers: Sequence[int] = ()
    """The trials' numbers, in the order of `curves`."""
    broken: Set[int] = frozenset()
    """Numbers of those that break a bound of the plan."""

    def __len__(self) -> int:
        return len(self.curves) + len(self.pending) + len(self.failed)


def bounded(history: History, seed: int, keep: int | None = None) -> History:
    """The history with at most `2 * MODELLED_TRIALS` curves, since memory and time of forecasts grow with the
    square of their number and more: half of them the best of the finished ones, the others at random. Of the
    failed trials the latest are kept.

    keep: number of a trial that must be among them; None for no particular one."""
    curves, numbers = history.curves, history.curve_numbers
    failed = history.failed[-MODELLED_TRIALS:]
    if len(curves) <= 2 * MODELLED_TRIALS:
        return History(curves, history.pending, failed, numbers, history.broken)
    finished = [row for row, curve in enumerate(curves) if curve.finished]
    finished.sort(key=lambda row: -curves[row].values[-1])
    best = set(finished[:MODELLED_TRIALS])
    if keep is not None:
        best.add(list(numbers).index(keep))
    rest = [row for row in range(len(curves)) if row not in best]
    others = np.random.default_rng(seed).choice(rest, 2 * MODELLED_TRIALS - len(best), replace=False)
    rows = sorted([*best, *map(int, others)])
    kept = [numbers[row] for row in rows]
    return History([curves[row] for row in rows], history.pending, failed, kept, history.broken)


class Model:
    """A surrogate of a search: the metric at the end of a training, as a function of the recipe.

    It depends on the history and the seed alone.
    """

    def __init__(self, history: History, encoding: Encoding, seed: int) -> None:
        """history: with at least one curve. seed: of the choice among many trials, and of suggestions."""
        self._history, self._encoding, self._seed = history, encoding, seed
        self._effort = 1.0

    def fit(self) -> Model:
        """Estimate now what is otherwise estimated when it is first needed. Returns itself."""
        _ = self._process, self._best, self.feasibility
        return self

    def with_pending(self, pending: Sequence[np.ndarray], seed: int) -> Model:
        """The model with these pending recipes and another seed, without estimating anything again, and with
        less effort for a suggestion."""
        model = copy.copy(self)
        model._effort = _LITTLE
        model._history, model._seed = replace(self._history, pending=pending), seed
        model.__dict__.pop("_process_with_pending", None)
        return model

    @cached_property
    def forecast(self) -> Forecast:
        """How the trials with a curve end."""
        curves = self._history.curves
        return forecast(curves, self._encoding.choices, Scale(curves))

    @cached_property
    def feasibility(self) -> Feasibility:
        """Where trials fail, or break a bound."""
        trained = [curve.point for curve in self._history.curves]
        labels = np.concatenate([self._kept, np.zeros(len(self._history.failed), dtype=bool)])
        return Feasibility(np.array([*trained, *self._history.failed]), labels, self._encoding.choices)

    def chances(self, rank: int = 1) -> np.ndarray:
        """The probability of each trial with a curve to end above the `rank`-th best finished trial, of shape
        [n]; 1 as long as fewer are finished."""
        finished = np.array([curve.finished for curve in self._history.curves]) & self._kept
        mean, sd = self.forecast.mean, self.forecast.sd
        if finished.sum() < rank:
            return np.ones(len(mean))
        bar = np.sort(mean[finished])[-rank]
        # Student's distribution: what a forecast's spread is estimated from are few trials.
        return np.asarray(t.cdf((mean - bar) / np.maximum(sd, 1e-3), df=max(1, finished.sum() - 1)))

    def log_gains(self) -> np.ndarray:
        """The log of the expected improvement over the best finished trial by the end of each trial with a
        curve, of shape [n]."""
        mean = (self.forecast.mean - self._centre) / self._spread
        return log_expected_improvement(mean, np.maximum(self.forecast.sd / self._spread, 1e-6), self._done)

    def log_gain_of_new(self) -> float:
        """The same by the most promising new recipe; minus infinity if there is none."""
        point = self.suggest(lambda point: True)
        return -math.inf if point is None else float(self._log_gain(point[None], self._done)[0])

    def suggest(self, allowed: Allowed) -> np.ndarray | None:
        """The recipe to try next, of shape [d]: that of the largest expected improvement among those that are
        allowed and likely to be trained. None if no allowed one was found."""
        fitted, _ = self._process.predict(self._points)
        fitted = fitted - np.where(self._kept[self._rows], 0.0, np.ptp(fitted) + 1.0)
        starts = self._points[np.argsort(-fitted, kind="stable")[:8]]
        return maximized(self._log_gain, self._encoding, starts, allowed, self._seed, self._effort)

    def _log_gain(self, points: np.ndarray, best: float | None = None) -> np.ndarray:
        """best: the value to improve on; None for that of the most promising trial."""
        mean, variance = self._process_with_pending.predict(points)
        gain = log_expected_improvement(mean, np.sqrt(variance), self._best if best is None else best)
        likely = self.feasibility.log_probability(points)
        # The best recipes often lie beside those that fail: without a bound, every other trial would find out
        # how close it can get.
        failing = len(self._history.failed) > _FEW_FAILURES * len(self._history)
        bound = math.log(_SAFE if failing else _LIKELY)
        return np.asarray(gain + likely - _UNLIKELY * np.maximum(bound - likely, 0.0))

    @cached_property
    def _kept(self) -> np.ndarray:
        """Whether each trial with a curve keeps the bounds, of shape [n]."""
        broken = self._history.broken
        numbers = self._history.curve_numbers or range(len(self._history.curves))
        return np.array([number not in broken for number in numbers], dtype=bool)

    @cached_property
    def _rows(self) -> np.ndarray:
        """The trials that the process learns from."""
        mean = self.forecast.mean
        if len(mean) <= MODELLED_TRIALS:
            return np.arange(len(mean))
        order, half = np.argsort(-mean, kind="stable"), MODELLED_TRIALS // 2
        others = np.random.default_rng(self._seed).choice(order[half:], MODELLED_TRIALS - half, replace=False)
        return np.sort(np.concatenate([order[:half], others]))

    @cached_property
    def _points(self) -> np.ndarray:
        return np.array([self._history.curves[row].point for row in self._rows])

    @cached_property
    def _targets(self) -> np.ndarray:
        return np.asarray(self.forecast.mean[self._rows])

    @cached_property
    def _centre(self) -> float:
        return float(self._targets.mean())

    @cached_property
    def _spread(self) -> float:
        return float(self._targets.std()) or 1.0

    @cached_property
    def _process(self) -> GaussianProcess:
        targets = (self._targets - self._centre) / self._spread
        errors = self.forecast.covariance[np.ix_(self._rows, self._rows)]
        return GaussianProcess.fit(self._points, targets, errors / self._spread**2, self._encoding.choices)

    @cached_property
    def _process_with_pending(self) -> GaussianProcess:
        pending = self._history.pending
        return self._process.with_pending(np.array(pending)) if pending else self._process

    @cached_property
    def _done(self) -> float:
        """The value of the best finished trial that keeps the bounds; of the worst one if there is none."""
        mean = (self.forecast.mean - self._centre) / self._spread
        known = zip(mean, self._history.curves, self._kept, strict=True)
        ends = [end for end, curve, kept in known if curve.finished and kept]
        return float(max(ends, default=mean.min()))

    @cached_property
    def _best(self) -> float:
        """The value to improve on: the best of the trials that keep the bounds, without their noise; the
        worst if none does."""
        fitted = self._process.predict(self._points)[0]
        return float(fitted[self._kept[self._rows]].max(initial=fitted.min()))
