"""The sum of Student terms against a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.statistics.variance import StudentTerm, TermSum


@pytest.mark.slow
@pytest.mark.parametrize("dfs", [(300.0, 2.0, 2.0), (9999.0, 9.0, 4.0), (4.0, 2.0, 9.0), (300.0, 1.0, 1.0)])
@pytest.mark.parametrize("scales", [(1.0, 0.3, 0.3), (1.0, 2.0, 0.5), (0.05, 1.0, 1.0)])
def test_the_chance_of_a_sum_of_ts_is_that_of_a_million_draws(
    dfs: tuple[float, float, float], scales: tuple[float, float, float]
) -> None:
    random = np.random.default_rng(0)
    drawn = zip(scales, dfs, strict=True)
    sums = np.abs(sum(scale * random.standard_t(df, 1_000_000) for scale, df in drawn))
    examples, *seeds = map(StudentTerm, scales, dfs)
    terms = TermSum(examples, seeds)
    for level in (0.5, 0.05, 0.005):
        distance = float(np.quantile(sums, 1 - level))
        assert terms.p_beyond(distance) == pytest.approx(level, rel=0.015 + 4 / math.sqrt(1e6 * level))
        assert terms.p_beyond(terms.quantile(level)) == pytest.approx(level, rel=1e-6)
