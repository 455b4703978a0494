"""Forecasts of trials' ends: honest about what they do not know, and not fooled by slow starts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.surrogate.curves import Curve, Forecast, Scale, forecast, rungs

EPOCHS = 27


def forecast_of(curves: list[Curve]) -> Forecast:
    dimensions = len(curves[0].point)
    return forecast(curves, np.zeros(dimensions, dtype=bool), Scale(curves))


def rising(end: float, speed: float, seed: int, noise: float = 0.004) -> np.ndarray:
    epochs = np.arange(1, EPOCHS + 1)
    shape = 1 - np.exp(-speed * epochs)
    return end * shape / shape[-1] + np.random.default_rng(seed).normal(0, noise, EPOCHS)


@given(st.integers(1, 3000))
def test_rungs_rise_to_the_last_epoch(epochs: int) -> None:
    found = rungs(epochs)
    assert found[-1] == epochs
    assert all(first < second for first, second in itertools.pairwise(found))
    assert len(found) <= 3 + 2.2 * math.log(epochs)


def trials(stopped_at: int, count: int, seed: int, one_cycle: bool = False) -> tuple[list[Curve], np.ndarray]:
    """Complete trials, then as many that were stopped, and the ends of these."""
    rng, curves, ends = np.random.default_rng(seed), [], []
    for number in range(2 * count):
        x = rng.random(2)
        end, slow = 0.9 - 0.4 * (x[0] - 0.4) ** 2, x[1] > 0.5
        values = rising(end, 0.25 if slow else 0.8, seed * 100 + number)
        if one_cycle and slow:
            progress = np.linspace(0, 1, EPOCHS)
            values = 0.5 + (values - 0.5) * progress**3
        values[-1] = end
        if number >= count:
            ends.append(end)
            values = values[:stopped_at]
        curves.append(Curve(list(values), EPOCHS, x))
    return curves, np.array(ends)


@pytest.mark.parametrize("stopped_at", [4, 8, 16])
@pytest.mark.parametrize("one_cycle", [False, True], ids=["rising", "slow start"])
def test_forecasts_are_as_uncertain_as_they_are_wrong(stopped_at: int, one_cycle: bool) -> None:
    deviations = []
    for seed in range(8):
        curves, ends = trials(stopped_at, 10, seed, one_cycle)
        predicted, scale = forecast_of(curves), Scale(curves)
        deviations.append((scale(ends) - predicted.mean[10:]) / predicted.sd[10:])
    spread = np.sqrt(np.mean(np.square(deviations)))
    assert spread < 2.0
    assert np.mean(np.abs(deviations) > 3) < 0.08


def test_a_forecast_is_surer_the_later_a_trial_was_stopped() -> None:
    spreads = [forecast_of(trials(stopped_at, 10, 1)[0]).sd[10:].mean() for stopped_at in (3, 8, 20)]
    assert spreads[0] > spreads[1] > spreads[2] > 0


def test_a_slow_schedule_is_recognised_by_the_recipe() -> None:
    """Half of the complete trials begin slowly and end well; a stopped one like them is expected to."""
    curves = []
    for number in range(12):
        slow = number % 2 == 0
        values = rising(0.95 if slow else 0.85, 0.06 if slow else 0.9, number)
        curves.append(Curve(list(values), EPOCHS, np.array([float(slow), number / 12])))
    for slow in (True, False):
        values = rising(0.95 if slow else 0.85, 0.06 if slow else 0.9, 50 + slow)[:8]
        curves.append(Curve(list(values), EPOCHS, np.array([float(slow), 0.5])))
    slow, fast = forecast_of(curves).mean[-2:]
    assert curves[-2].values[-1] < curves[-1].values[-1] - 0.2
    assert slow > fast


def test_a_finished_trial_is_certain_and_a_flat_curve_stays() -> None:
    curves = [Curve([0.5] * EPOCHS, EPOCHS, np.array([0.1 * number])) for number in range(4)]
    curves += [Curve([0.5 - 0.1 * number] * EPOCHS, EPOCHS, np.array([0.1 * number])) for number in range(4)]
    curves.append(Curve([0.3] * 9, EPOCHS, np.array([0.2])))
    predicted, scale = forecast_of(curves), Scale(curves)
    assert not predicted.sd[:8].any()
    assert predicted.mean[-1] == pytest.approx(scale(np.array([0.3]))[0], abs=0.25)


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=30))
def test_the_scale_keeps_the_order_and_is_finite(values: list[float]) -> None:
    curves = [Curve([value], 1, np.zeros(1)) for value in values]
    scaled = Scale(curves)(np.array(values))
    assert np.isfinite(scaled).all()
    order = np.argsort(values)
    assert (np.diff(scaled[order]) >= -1e-9).all()


def test_values_far_below_the_others_are_no_reason_to_forget_the_others() -> None:
    curves, _ = trials(8, 8, 2)
    curves.append(Curve([-1e9] * 12, EPOCHS, np.array([0.9, 0.9])))
    predicted = forecast_of(curves)
    assert np.isfinite(predicted.mean).all() and np.isfinite(predicted.sd).all()
    assert predicted.mean[-1] < predicted.mean[:-1].min()
    assert predicted.mean[:8].std() > 0.1


def test_one_trial_and_one_epoch_can_be_forecast() -> None:
    predicted = forecast_of([Curve([0.5], EPOCHS, np.array([0.5]))])
    assert np.isfinite(predicted.mean).all() and predicted.sd[0] > 0
