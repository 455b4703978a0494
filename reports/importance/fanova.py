"""fANOVA: how much of the variance of a forest's predictions one hyperparameter explains alone.

F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML
2014, section 4, https://proceedings.mlr.press/v32/hutter14.html. For numbers the results are those of
`optuna.importance.FanovaImportanceEvaluator` with the same forest (a test compares them), in a tenth of its
time. Numbers are weighted on the scale they were sampled on, logarithmic or not, and choices equally; Optuna
weights every number linearly and counts impossible mixtures of choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.importance.encoding import Encoding
from reports.importance.leaves import Leaves, leaves
from reports.statistics.arrays import Floats
from search.records.trial import Trial

TREES = 64
"""Number of trees, the default of Optuna's evaluator."""


def fanova(encoding: Encoding, trials: Sequence[Trial], scores: Floats) -> Floats:
    """Each tree's shares of variance, 0..1: float64 [trees, hyperparameters], in the scales' order.

    Each tree is fitted to its own resample of the trials, so the trees' spread is that of a bootstrap. The
    rest of the variance is joint effects and noise. Constant trees are left out. encoding: of hyperparameters
    that every trial sampled; the others have no share.
    """
    from sklearn.ensemble import RandomForestRegressor  # takes half a second; a page may need none

    rows = encoding.rows([trial.sampled for trial in trials])
    forest = RandomForestRegressor(n_estimators=TREES, random_state=0, n_jobs=1).fit(rows, scores)
    per_tree = [_shares(encoding, leaves(estimator.tree_)) for estimator in forest.estimators_]
    return np.array([shares for shares in per_tree if shares is not None]).reshape(-1, len(encoding.scales))


def _shares(encoding: Encoding, tree: Leaves) -> Floats | None:
    """One tree's shares, [hyperparameters]; None if its prediction is constant."""
    cells = [_cells(encoding, scale.name, tree) for scale in encoding.scales]
    masses = np.array([covers @ weights for covers, weights in cells])
    volume = masses.prod(axis=0)
    mean = volume @ tree.value
    variance = volume @ (tree.value - mean) ** 2
    if not variance > 0:
        return None
    effects = [
        weights @ ((tree.value * volume / mass) @ covers - mean) ** 2
        for (covers, weights), mass in zip(cells, masses, strict=True)
    ]
    shares: Floats = np.array(effects) / variance
    return shares


def _cells(encoding: Encoding, name: str, tree: Leaves) -> tuple[NDArray[Any], Floats]:
    """The cells into which the tree divides a hyperparameter's range: which leaves contain them, bool
    [L, cells], and each cell's share of the range, float64 [cells]."""
    columns = encoding.columns(name)
    scale = next(scale for scale in encoding.scales if scale.name == name)
    if scale.choices:
        taken = np.zeros((len(scale.choices), columns.stop))
        taken[:, columns.start :] = np.eye(len(scale.choices))
        return tree.containing_all(columns, taken), np.full(len(taken), 1 / len(taken))
    ends = np.concatenate([[0.0], tree.thresholds(columns[0]), [1.0]])
    return tree.containing(columns[0], (ends[1:] + ends[:-1]) / 2), np.diff(ends)
