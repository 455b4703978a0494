"""Corrections for multiple comparisons, and groups of ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from search.racing.elimination import shaffer

RowT = TypeVar("RowT")


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, 0..1, in the order given: at or below a level for true hypotheses at all with
    that chance at most, whatever the tests have to do with each other. S. Holm, "A simple sequentially
    rejective multiple test procedure", Scand. J. Stat. 6 (1979), pages 65-70.

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
    """Adjusted p-values, 0..1, in the order given, of one recipe against others of so many candidates,
    when that one was chosen for the same networks' scores.

    p_values: of the chosen recipe against some or all of the other candidates, at most candidates - 1.

    Being chosen on validation does not make a recipe's test accuracy fair: the networks that were lucky
    there, with their seeds, are still lucky on the test set. Any candidate might have been chosen, so
    all candidates (candidates - 1) / 2 pairs count, those that are not told as if their p were 1. The
    steps are those of `search.racing.elimination.shaffer`. Where the networks were not seen before, or the
    recipe was named beforehand, `holm` is enough.

    Raises ValueError for a p outside 0..1, and for more of them than there are others.
    """
    if len(p_values) > candidates - 1 or not all(0 <= p <= 1 for p in p_values):
        raise ValueError(
            f"0 <= p <= 1 and at most candidates - 1 of them must hold, "
            f"but got {list(p_values)} of {candidates} candidates"
        )
    pairs = candidates * (candidates - 1) // 2
    return shaffer([*p_values, *[1.0] * (pairs - len(p_values))], candidates)[: len(p_values)]


def tie_groups(order: Sequence[RowT], tied: Callable[[RowT, RowT], bool]) -> list[list[RowT]]:
    """Rows, best first, in groups of which no row is known to be worse than the group's first.

    order: best first. tied: whether (first, other) cannot be told apart.

    A group is a first row and the rows right after it that are tied with it; the first one that is not
    begins the next group. To be tied is not transitive: with A tied to B and B to C, A may still beat
    C. So a row may be tied with rows of the group above (all but its first), and two rows of one group
    may differ; what a group does say is that its rows cannot be told from its best one.
    """
    groups: list[list[RowT]] = []
    for row in order:
        if groups and tied(groups[-1][0], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
