"""Corrections for multiple comparisons, and groups of ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from search.racing.elimination import shaffer

RowT = TypeVar("RowT")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, 0..1, in the order given. They control the family-wise error rate whatever
    the dependence between the tests. S. Holm, "A simple sequentially rejective multiple test procedure",
    Scand. J. Stat. 6 (1979), pages 65-70.

    Raises ValueError for a p outside 0..1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"0 <= p <= 1 must hold, but got {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def selected(p_values: Sequence[float], candidates: int) -> list[float]:
    """Adjusted p-values, 0..1, in the order given, for a recipe that was selected among `candidates` by the
    scores of the same models.

    p_values: of the selected recipe against some or all of the other candidates, at most candidates - 1.

    Selection on validation biases a recipe's test accuracy too: models that were lucky there, with their
    seeds, are still lucky on the test set. Any candidate might have been selected, so all
    candidates (candidates - 1) / 2 pairs count, the missing ones as if their p were 1. The steps are those
    of `search.racing.elimination.shaffer`. For models that played no part in the selection, or a recipe
    that was named in advance, `holm` is enough.

    Raises ValueError for a p outside 0..1, and for more p-values than other candidates.
    """
    if len(p_values) > candidates - 1 or not all(0 <= p <= 1 for p in p_values):
        raise ValueError(
            f"0 <= p <= 1 and at most candidates - 1 of them must hold, "
            f"but got {list(p_values)} of {candidates} candidates"
        )
    pairs = candidates * (candidates - 1) // 2
    return shaffer([*p_values, *[1.0] * (pairs - len(p_values))], candidates)[: len(p_values)]


def tie_groups(order: Sequence[RowT], tied: Callable[[RowT, RowT], bool]) -> list[list[RowT]]:
    """Group rows so that no row is known to be worse than the first of its group.

    order: best first. tied: whether (first, row) are statistically indistinguishable.

    A group is a first row and the rows right after it that are tied with it; the first row that is not
    begins the next group. Ties are not transitive: with A tied to B and B to C, A may still beat C. So a row
    may be tied with rows of the group above (all but its first), and two rows of one group may differ; a
    group only says that its rows are indistinguishable from its best one.
    """
    groups: list[list[RowT]] = []
    for row in order:
        if groups and tied(groups[-1][0], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
