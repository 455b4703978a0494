"""fANOVA: how much of what a forest predicts varies with one setting alone.

F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML
2014, section 4, https://proceedings.mlr.press/v32/hutter14.html. On numbers the figures are those of
`optuna.importance.FanovaImportanceEvaluator` for the same forest (a test compares them), in a tenth of its
time. Numbers are weighed on the scale they were sampled on, logarithmic or not, and each choice alike;
Optuna's weighs every number linearly and counts impossible mixtures of choices.
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
"""As many as Optuna's evaluator grows."""


def fanova(encoding: Encoding, trials: Sequence[Trial], scores: Floats) -> Floats:
    """Each tree's shares of variance, 0..1: float64 [trees, settings], in the scales' order.

    Each tree is grown on a resample of the trials of its own, so the trees' spread is that of a bootstrap.
    What the shares leave to 1 is joint effects and noise. Trees that predict one value alone are left out.
    encoding: of settings that every trial was asked for; to one that was not, no share can be given.
    """
    from sklearn.ensemble import RandomForestRegressor  # half a second that a page without figures saves

    rows = encoding.rows([trial.sampled for trial in trials])
    forest = RandomForestRegressor(n_estimators=TREES, random_state=0, n_jobs=1).fit(rows, scores)
    told = [_shares(encoding, leaves(grown.tree_)) for grown in forest.estimators_]
    return np.array([shares for shares in told if shares is not None]).reshape(-1, len(encoding.scales))


def _shares(encoding: Encoding, tree: Leaves) -> Floats | None:
    """One tree's, [settings]; None where it predicts one value alone."""
    cells = [_cells(encoding, scale.name, tree) for scale in encoding.scales]
    masses = np.array([held @ weights for held, weights in cells])
    volume = masses.prod(axis=0)
    mean = volume @ tree.value
    variance = volume @ (tree.value - mean) ** 2
    if not variance > 0:
        return None
    effects = [
        weights @ ((tree.value * volume / mass) @ held - mean) ** 2
        for (held, weights), mass in zip(cells, masses, strict=True)
    ]
    shares: Floats = np.array(effects) / variance
    return shares


def _cells(encoding: Encoding, name: str, tree: Leaves) -> tuple[NDArray[Any], Floats]:
    """The cells into which the tree cuts a setting: which leaves hold them, bool [L, cells], and the share
    of the setting's range that each is, float64 [cells]."""
    columns = encoding.columns(name)
    scale = next(scale for scale in encoding.scales if scale.name == name)
    if scale.choices:
        taken = np.zeros((len(scale.choices), columns.stop))
        taken[:, columns.start :] = np.eye(len(scale.choices))
        return tree.holding_all(columns, taken), np.full(len(taken), 1 / len(taken))
    ends = np.concatenate([[0.0], tree.splits(columns[0]), [1.0]])
    return tree.holding(columns[0], (ends[1:] + ends[:-1]) / 2), np.diff(ends)
