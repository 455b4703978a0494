"""The leaves of a regression tree as boxes, of which averages are exact sums and need no sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from reports.statistics.arrays import Bools, Floats


class Leaves(NamedTuple):
    """L leaves over F columns. A row lies in the leaf for which low < row <= high in every column.

    low, high: float64 [L, F], infinite where the tree never asks. value: float64 [L], what it predicts.
    """

    low: Floats
    high: Floats
    value: Floats

    def holding(self, column: int, at: Floats) -> Bools:
        """Which leaves hold the values `at` (float [N]) of a column: bool [L, N]."""
        # A forest compares single-precision rows with double-precision thresholds.
        seen = at.astype(np.float32)
        return (self.low[:, column, None] < seen) & (seen <= self.high[:, column, None])

    def holding_all(self, columns: Sequence[int], rows: Floats) -> Bools:
        """Which leaves hold these columns of the rows (float [N, F]): bool [L, N]."""
        held = np.ones((len(self.value), len(rows)), dtype=np.bool_)
        for column in columns:
            if self.asks(column):
                held &= self.holding(column, rows[:, column])
        return held

    def asks(self, column: int) -> bool:
        """Whether any leaf is bounded in that column."""
        return bool(np.isfinite(self.high[:, column]).any())

    def splits(self, column: int) -> Floats:
        """Where the tree splits that column, rising: float64 [S]."""
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
