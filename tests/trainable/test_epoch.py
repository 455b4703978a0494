"""The metrics of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainable.epoch import Diverged, Epoch


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
def test_a_metric_that_is_not_finite_has_diverged(value: Any) -> None:
    with pytest.raises(Diverged, match="loss must stay finite"):
        Epoch(1, {"loss": value}, 0.1)
