"""What a metric says of values: which is better, which is best, and by how much."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainable.contract import Direction, InvalidMetric, Metric

METRICS = st.sampled_from([Metric("score", direction) for direction in get_args(Direction)])
VALUES = st.floats(-1e9, 1e9)


def test_a_higher_accuracy_and_a_lower_loss_are_better() -> None:
    accuracy, loss = Metric("accuracy", "maximize", "share"), Metric("loss", "minimize")
    assert accuracy.better(0.9, 0.8) and loss.better(0.1, 0.2)
    assert (accuracy.sign, loss.sign) == (1.0, -1.0)
    assert accuracy.best([0.8, 0.9, 0.7]) == 0.9 and loss.best([0.2, 0.1, 0.3]) == 0.1
    assert accuracy.gain(0.75, 0.5) == 0.25 and loss.gain(0.75, 0.5) == -0.25
    assert accuracy.higher_is_better and not loss.higher_is_better


@given(METRICS, VALUES, VALUES)
def test_better_gain_sign_and_best_agree(metric: Metric, value: float, reference: float) -> None:
    better = metric.better(value, reference)
    assert better == (metric.gain(value, reference) > 0)
    assert better == (metric.sign * value > metric.sign * reference)
    assert better == (value != reference and metric.best([reference, value]) == value)


@given(METRICS, VALUES, VALUES)
def test_a_gain_one_way_is_the_same_loss_the_other_way(
    metric: Metric, value: float, reference: float
) -> None:
    assert metric.gain(value, reference) == -metric.gain(reference, value)
    assert metric.gain(value, value) == 0


@given(METRICS, st.lists(VALUES, min_size=1))
def test_no_value_is_better_than_the_best(metric: Metric, values: list[float]) -> None:
    best = metric.best(iter(values))
    assert best in values
    assert not any(metric.better(value, best) for value in values)


@given(METRICS, VALUES)
def test_nan_is_neither_better_nor_worse(metric: Metric, value: float) -> None:
    assert not metric.better(math.nan, value) and not metric.better(value, math.nan)


@given(METRICS)
def test_no_values_have_no_best(metric: Metric) -> None:
    with pytest.raises(ValueError):
        metric.best([])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("acc", "max"), "must be maximize or minimize, but is 'max'; did you mean maximize?"),
        (("loss", "Minimise"), "must be maximize or minimize, but is 'Minimise'; did you mean minimize?"),
        (("loss", "low"), "must be maximize or minimize, but is 'low'; a higher or a lower value is better"),
        (("loss", None), "direction must be a string, but is None"),
        (("", "minimize"), "name must be one of the names in Epoch.metrics, but is empty"),
        (("loss", "minimize", 3), "unit must be a string, but is 3"),
    ],
)
def test_a_metric_refuses_what_it_cannot_have(parts, message) -> None:
    with pytest.raises(InvalidMetric) as raised:
        Metric(*parts)
    assert message in str(raised.value)
