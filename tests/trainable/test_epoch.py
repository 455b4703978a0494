"""The metrics of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainable.contract import Metric
from trainable.epoch import Diverged, Epoch
from trainable.user_code import epoch_faults


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5)])
def test_a_metric_is_any_one_number(value: Any) -> None:
    assert Epoch(1, {"loss": value}, 0.1).metrics == {"loss": 0.5}


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (None, "None"),
        ("0.5", "'0.5'"),
        (np.zeros(1), "of type ndarray and shape (1,)"),
        (np.zeros((2, 3)), "of type ndarray and shape (2, 3)"),
        ([0.5], "of type list"),
        (1j, "of type complex"),
    ],
)
def test_a_metric_that_is_no_number_is_named(value: Any, got: str) -> None:
    with pytest.raises(TypeError) as raised:
        Epoch(3, {"accuracy": 0.9, "loss": value}, 0.1)
    assert str(raised.value) == f"epoch 3: the metric 'loss' must be one number, but is {got}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_a_metric_that_is_not_finite_is_missing_and_the_judged_one_has_diverged(value: Any) -> None:
    epoch = Epoch(1, {"loss": value, "accuracy": 0.5}, 0.1)
    assert epoch.metrics == {"accuracy": 0.5}
    assert Epoch.from_json(epoch.to_json()) == epoch
    assert epoch_faults(epoch, 0, Metric("accuracy", "maximize")) == []
    with pytest.raises(Diverged, match=r"epoch 1: loss must stay finite, but became (nan|inf)"):
        epoch_faults(epoch, 0, Metric("loss", "minimize"))
