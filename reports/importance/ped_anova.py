"""PED-ANOVA: how much a setting's values among the best trials depart from those among all.

S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces", IJCAI 2023, https://arxiv.org/abs/2304.10255; for settings asked only under a condition,
"Conditional PED-ANOVA", https://arxiv.org/abs/2601.20800. The figures are those of
`optuna.importance.PedAnovaImportanceEvaluator` (a test compares them), told of weighted trials, many
weightings at once: Optuna's takes a study for each, too slow for a bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.analysis.scale import Scale
from reports.statistics.arrays import Floats
from search.records.trial import Trial

STEPS = 50
"""Cells into which a number's range is cut."""


class BinnedColumn(NamedTuple):
    """A setting in N trials. cells: int [N], 0..size - 1, or -1 where it was not asked. choices: whether the
    cells are choices, which have no neighbours."""

    cells: NDArray[np.int64]
    size: int
    choices: bool


def column(scale: Scale, trials: Sequence[Trial]) -> BinnedColumn:
    """The setting's cells in these trials; the scale must be longer than one point."""
    asked = [scale.name in trial.sampled for trial in trials]
    at = np.array(
        [scale.position(trial.sampled[scale.name]) for trial in trials if scale.name in trial.sampled]
    )
    cells = np.full(len(trials), -1)
    if scale.choices:
        cells[asked] = at.astype(np.int64)
        return BinnedColumn(cells, len(scale.choices), True)
    low, high = scale.low, scale.high
    if scale.log:
        low, high, at = math.log(low), math.log(high), np.log(at)
    cells[asked] = np.clip(np.ceil((at - low) / ((high - low) / (STEPS - 1)) - 0.5), 0, STEPS - 1)
    return BinnedColumn(cells, STEPS, False)


def ped_anova(columns: Sequence[BinnedColumn], losses: Floats, weights: Floats, quantile: float) -> Floats:
    """The importance of each setting, before they are made to sum to 1: float64 [B, settings], >= 0.

    losses: [N], less is better. weights: [B, N], how often each trial counts, whole numbers. quantile: the
    share of trials, 0..1, that make the top group; those as good as its last one are in it too.
    """
    order = np.argsort(losses, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1]
    last = (reached >= np.ceil(quantile * total)[:, None]).argmax(axis=1)
    top = weights * (losses <= losses[order][last][:, None])
    count = top.sum(axis=1)
    told = np.zeros((len(weights), len(columns)))
    for place, one in enumerate(columns):
        asked = one.cells >= 0
        where = np.eye(one.size)[one.cells[asked]]
        among_all, among_top = weights[:, asked] @ where, top[:, asked] @ where
        all_, best = among_all.sum(axis=1), among_top.sum(axis=1)
        known = (all_ >= 2) & (best > 0)
        if known.any():
            density = _choices if one.choices else _numbers
            before, after = (density(each[known]) + 1e-12 for each in (among_all, among_top))
            divergence = (before * (after / before - 1) ** 2).sum(axis=1)
            shares = best[known] / count[known], all_[known] / total[known]
            told[known, place] = shares[0] ** 2 / shares[1] * divergence
    told *= ((count / total) ** 2)[:, None]
    return told


def _choices(counts: Floats) -> Floats:
    """Their smoothed shares, [B, size]: a kernel for each choice that occurs, and the prior's."""
    size, total = counts.shape[1], counts.sum(axis=1, keepdims=True)
    little = 1 / ((counts > 0).sum(axis=1, keepdims=True) + 1)
    density: Floats = ((counts + total * little) / (1 + size * little) + 1 / size) / (total + 1)
    return density


def _numbers(counts: Floats) -> Floats:
    """Their density on the cells, [B, size]: normal kernels as wide as Scott's rule says (D. W. Scott,
    "Multivariate Density Estimation", 1992), cut off at the ends, and the prior's, as wide as the range."""
    size, total = counts.shape[1], counts.sum(axis=1)
    at = np.arange(size)
    mean = counts @ at / total
    variance = (counts * (at - mean[:, None]) ** 2).sum(axis=1) / np.maximum(1, total - 1)
    reached = np.cumsum(counts, axis=1)
    quarter = (reached >= np.maximum(1, total // 4)[:, None]).argmax(axis=1)
    three = (reached > (total * 3 // 4)[:, None]).argmax(axis=1)
    spread = np.minimum((three - quarter) / 1.34, np.sqrt(variance))
    sigma = np.maximum(1.059 * spread * total**-0.2, 0.5 / 1.64)
    # Between two cells a kernel depends on their distance alone, so it is told once for each distance.
    below = special.ndtr((np.arange(-size, size) + 0.5) / sigma[:, None])
    mass = below[:, 1:] - below[:, :-1]
    whole = below[:, : size - 1 : -1] - below[:, size - 1 :: -1]
    kernels = mass[:, at[:, None] - at + size - 1]
    edges = special.ndtr((np.arange(size + 1) - size / 2) / size)
    prior = np.diff(edges) / (edges[-1] - edges[0])
    density: Floats = np.einsum("bij,bj->bi", kernels, counts / whole) + prior
    density /= (total + 1)[:, None]
    return density
