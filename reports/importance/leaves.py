"""The leaves of a regression tree as boxes, so that averages are exact sums and need no sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from reports.statistics.arrays import Bools, Floats


class Leaves(NamedTuple):
    """L leaves over F columns. A row lies in the leaf with low < row <= high in every column."""

    low: Floats
    """float64 [L, F]; -inf where the tree never splits."""
    high: Floats
    """float64 [L, F]; inf where the tree never splits."""
    value: Floats
    """float64 [L]: the prediction."""

    def containing(self, column: int, at: Floats) -> Bools:
        """Which leaves contain the values `at` (float [N]) of a column: bool [L, N]."""
        # A forest compares single-precision rows with double-precision thresholds.
        values = at.astype(np.float32)
        return (self.low[:, column, None] < values) & (values <= self.high[:, column, None])

    def containing_all(self, columns: Sequence[int], rows: Floats) -> Bools:
        """Which leaves contain the rows (float [N, F]) in all these columns: bool [L, N]."""
        contained = np.ones((len(self.value), len(rows)), dtype=np.bool_)
        for column in columns:
            if self.splits_on(column):
                contained &= self.containing(column, rows[:, column])
        return contained

    def splits_on(self, column: int) -> bool:
        """Whether any leaf is bounded in that column."""
        return bool(np.isfinite(self.high[:, column]).any())

    def thresholds(self, column: int) -> Floats:
        """The thresholds at which the tree splits that column, ascending: float64 [S]."""
        high = self.high[:, column]
        return np.unique(high[np.isfinite(high)])


def leaves(tree: Any) -> Leaves:
    """The leaves of scikit-learn's `tree_` with one output."""
    low = np.full((tree.node_count, tree.n_features), -np.inf)
    high = np.full((tree.node_count, tree.n_features), np.inf)
    inner = np.array([0]) if tree.children_left[0] >= 0 else np.array([], dtype=np.intp)
    while len(inner):
        left, right = tree.children_left[inner], tree.children_right[inner]
        for child in (left, right):
            low[child], high[child] = low[inner], high[inner]
        high[left, tree.feature[inner]] = tree.threshold[inner]
        low[right, tree.feature[inner]] = tree.threshold[inner]
        below = np.concatenate([left, right])
        inner = below[tree.children_left[below] >= 0]
    ends = tree.children_left < 0
    return Leaves(low[ends], high[ends], tree.value[ends, 0, 0])
