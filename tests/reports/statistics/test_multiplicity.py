"""Corrections for multiple comparisons, against published examples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from correctness import no_deadline
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.multiplicity import holm, selected, tie_groups


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.001, 0.01, 0.03, 0.5], [0.004, 0.03, 0.06, 0.5]),
        ([1, 0.5, 0.1, 0.001, 0.0001, 0.002], [1, 1, 0.3, 0.005, 0.0006, 0.008]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([], []),
    ],
)
def test_holm_agrees_with_published_examples(p_values: list[float], expected: list[float]) -> None:
    """The documentation of Julia's MultipleTesting, R's p.adjust as the tests of Julia's PValueAdjust
    have it, and Wikipedia's "Holm-Bonferroni method"."""
    assert holm(p_values) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), max_size=12))
@no_deadline
def test_holm_keeps_the_order_and_lies_between_the_bare_p_and_bonferronis(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(
        p <= adjusted_p <= min(1.0, len(p_values) * p) + 1e-15
        for p, adjusted_p in zip(p_values, adjusted, strict=True)
    )
    assert sorted(adjusted) == [adjusted_p for _, adjusted_p in sorted(zip(p_values, adjusted, strict=True))]


def test_a_p_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="0 <= p <= 1 must hold"):
        holm([0.5, 1.5])


def test_a_winner_chosen_among_three_counts_all_three_pairs() -> None:
    """Of three equal pairs none can be the only unequal one, so once one is rejected one is left."""
    assert selected([0.01, 0.02], 3) == pytest.approx([0.03, 0.03])
    assert selected([0.01], 6) == pytest.approx([0.15])
    assert selected([], 1) == []
    with pytest.raises(ValueError, match="at most candidates - 1 of them must hold"):
        selected([0.1, 0.1, 0.1], 3)


@given(st.lists(st.floats(0, 1), max_size=5))
@no_deadline
def test_a_chosen_winner_is_judged_no_more_kindly_than_one_named_before(p_values: list[float]) -> None:
    adjusted = zip(selected(p_values, 6), holm(p_values), strict=True)
    assert all(chosen >= named - 1e-12 for chosen, named in adjusted)


def test_rows_tied_with_the_first_of_a_group_belong_to_it() -> None:
    assert tie_groups([9, 8, 7, 6, 3], lambda first, other: first - other < 2) == [[9, 8], [7, 6], [3]]
    assert tie_groups([], lambda first, other: True) == []


@given(st.lists(st.integers(0, 30)).map(lambda rows: sorted(rows, reverse=True)), st.integers(0, 9))
@no_deadline
def test_groups_hold_every_row_once_and_in_order(rows: list[int], reach: int) -> None:
    groups = tie_groups(rows, lambda first, other: first - other <= reach)
    assert [row for group in groups for row in group] == rows
    assert all(group[0] - row <= reach for group in groups for row in group)
    assert all(one[0] - next_one[0] > reach for one, next_one in pairwise(groups))
