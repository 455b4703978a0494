"""PED-ANOVA: how much a hyperparameter's distribution among the best trials differs from that among all.

S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces", IJCAI 2023, https://arxiv.org/abs/2304.10255; for conditional hyperparameters, "Conditional
PED-ANOVA", https://arxiv.org/abs/2601.20800. The results are those of
`optuna.importance.PedAnovaImportanceEvaluator` (a test compares them), but for weighted trials and many
weightings at once: Optuna's takes one study per weighting, which is too slow for a bootstrap.
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
"""Number of cells into which a numeric range is divided."""


class BinnedColumn(NamedTuple):
    """A hyperparameter in N trials, divided into cells."""

    cells: NDArray[np.int64]
    """int [N], 0..size - 1, or -1 in trials that did not sample it."""
    size: int
    """Number of cells."""
    choices: bool
    """Whether the cells are choices, which have no order."""


def binned_column(scale: Scale, trials: Sequence[Trial]) -> BinnedColumn:
    """The hyperparameter's cells in these trials; the scale must be longer than one point."""
    sampled = [scale.name in trial.sampled for trial in trials]
    at = np.array(
        [scale.position(trial.sampled[scale.name]) for trial in trials if scale.name in trial.sampled]
    )
    cells = np.full(len(trials), -1)
    if scale.choices:
        cells[sampled] = at.astype(np.int64)
        return BinnedColumn(cells, len(scale.choices), True)
    low, high = scale.low, scale.high
    if scale.log:
        low, high, at = math.log(low), math.log(high), np.log(at)
    cells[sampled] = np.clip(np.ceil((at - low) / ((high - low) / (STEPS - 1)) - 0.5), 0, STEPS - 1)
    return BinnedColumn(cells, STEPS, False)


def ped_anova(columns: Sequence[BinnedColumn], losses: Floats, weights: Floats, quantile: float) -> Floats:
    """The importance of each hyperparameter before normalization: float64 [B, hyperparameters], >= 0.

    losses: [N], lower is better. weights: [B, N], integers, how often each trial counts. quantile: the share
    of trials, 0..1, in the top group; trials as good as its last one belong to it too.
    """
    order = np.argsort(losses, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1]
    last = (reached >= np.ceil(quantile * total)[:, None]).argmax(axis=1)
    top = weights * (losses <= losses[order][last][:, None])
    count = top.sum(axis=1)
    importances = np.zeros((len(weights), len(columns)))
    for index, column in enumerate(columns):
        sampled = column.cells >= 0
        one_hot = np.eye(column.size)[column.cells[sampled]]
        counts_all, counts_top = weights[:, sampled] @ one_hot, top[:, sampled] @ one_hot
        sum_all, sum_top = counts_all.sum(axis=1), counts_top.sum(axis=1)
        known = (sum_all >= 2) & (sum_top > 0)
        if known.any():
            density = _choice_density if column.choices else _number_density
            before, after = (density(counts[known]) + 1e-12 for counts in (counts_all, counts_top))
            divergence = (before * (after / before - 1) ** 2).sum(axis=1)
            share_top, share_all = sum_top[known] / count[known], sum_all[known] / total[known]
            importances[known, index] = share_top**2 / share_all * divergence
    importances *= ((count / total) ** 2)[:, None]
    return importances


def _choice_density(counts: Floats) -> Floats:
    """Smoothed shares of the choices, [B, size]: a kernel for each choice that occurs, and the prior's."""
    size, total = counts.shape[1], counts.sum(axis=1, keepdims=True)
    smoothing = 1 / ((counts > 0).sum(axis=1, keepdims=True) + 1)
    density: Floats = ((counts + total * smoothing) / (1 + size * smoothing) + 1 / size) / (total + 1)
    return density


def _number_density(counts: Floats) -> Floats:
    """Density of a number on the cells, [B, size]: normal kernels with Scott's bandwidth (D. W. Scott,
    "Multivariate Density Estimation", 1992), truncated at the ends, and the prior's, as wide as the range."""
    size, total = counts.shape[1], counts.sum(axis=1)
    at = np.arange(size)
    mean = counts @ at / total
    variance = (counts * (at - mean[:, None]) ** 2).sum(axis=1) / np.maximum(1, total - 1)
    cumulative = np.cumsum(counts, axis=1)
    lower_quartile = (cumulative >= np.maximum(1, total // 4)[:, None]).argmax(axis=1)
    upper_quartile = (cumulative > (total * 3 // 4)[:, None]).argmax(axis=1)
    spread = np.minimum((upper_quartile - lower_quartile) / 1.34, np.sqrt(variance))
    sigma = np.maximum(1.059 * spread * total**-0.2, 0.5 / 1.64)
    # Between two cells a kernel depends on their distance alone, so it is computed once per distance.
    below = special.ndtr((np.arange(-size, size) + 0.5) / sigma[:, None])
    mass = below[:, 1:] - below[:, :-1]
    in_range = below[:, : size - 1 : -1] - below[:, size - 1 :: -1]
    kernels = mass[:, at[:, None] - at + size - 1]
    edges = special.ndtr((np.arange(size + 1) - size / 2) / size)
    prior = np.diff(edges) / (edges[-1] - edges[0])
    density: Floats = np.einsum("bij,bj->bi", kernels, counts / in_range) + prior
    density /= (total + 1)[:, None]
    return density
