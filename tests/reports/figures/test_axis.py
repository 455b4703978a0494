"""The ticks of a logarithmic axis."""

from __future__ import annotations

import pytest

from reports.figures.axis import log_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e-3, 2e-2, [0.001, 0.002, 0.005, 0.01, 0.02]),
        (0.003, 0.03, [0.005, 0.01, 0.02]),
        (1e-7, 1e-3, [1e-7, 1e-6, 1e-5, 1e-4, 1e-3]),
        (16, 512, [20, 50, 100, 200, 500]),
        (0.04, 0.045, [0.04, 0.042, 0.045]),
    ],
)
def test_ticks_are_round_and_within_the_range(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_many_decades_have_few_ticks() -> None:
    assert len(log_ticks(1e-20, 1e3)) <= 7
