"""Elimination against scipy, published examples, and invariants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from search.racing.elimination import eliminate, equal_pair_counts, looks, shaffer, smallest_step, welch

no_deadline = settings(deadline=None)  # other tests may load the machine
figures = st.lists(st.integers(0, 1000).map(lambda right: right / 1000), min_size=2, max_size=12)
fields = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.integers(270, 297), min_size=10, max_size=10), min_size=1
)


def shares(field: Mapping[str, Sequence[int]]) -> dict[str, list[float]]:
    return {name: [right / 297 for right in rights] for name, rights in field.items()}


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [(1, ()), (2, (2,)), (3, (3,)), (4, (3, 4)), (5, (3, 5)), (12, (3, 5, 10, 12)), (20, (3, 5, 10, 20))],
)
def test_looks_double_and_end_with_all_seeds(seeds: int, expected: tuple[int, ...]) -> None:
    assert looks(seeds) == expected


def test_no_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="seeds must be at least 1, but got 0"):
        looks(0)


@given(figures, figures)
@no_deadline
def test_welch_agrees_with_scipy(one: list[float], other: list[float]) -> None:
    ours = welch(one, other)
    if max(np.ptp(one), np.ptp(other)) > 1e-6:
        theirs = stats.ttest_ind(one, other, equal_var=False)
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
        assert ours.freedom == pytest.approx(theirs.df, rel=1e-6)


def test_constants_with_an_unknown_step_have_p_1() -> None:
    test = welch([0.98] * 3, [0.97] * 3)
    assert (test.error, test.p) == (math.inf, 1.0)
    assert welch([0.98], [0.97]).p == 1.0


def test_a_single_value_gets_the_other_samples_variance() -> None:
    several = [0.981, 0.983, 0.985, 0.982]
    test = welch([0.99], several)
    pooled = stats.ttest_ind([0.99], several)  # the pooled variance is that of the larger sample
    assert test.p == pytest.approx(pooled.pvalue)
    assert test.freedom == 3


def test_three_equal_accuracies_on_297_images_are_not_significant() -> None:
    test = welch([291 / 297] * 3, [290 / 297] * 3, resolution=1 / 297)
    assert test.difference / test.error == pytest.approx(math.sqrt(6))
    assert test.p > 0.05


def test_the_step_is_the_smallest_distance_between_different_values() -> None:
    assert smallest_step([np.array([0.98, 0.97]), np.array([0.985, 0.97])]) == pytest.approx(0.005)
    assert smallest_step([np.array([0.98, 0.98 + 1e-16])]) == 0.0


def test_three_equal_means_cannot_be_two_equal_pairs() -> None:
    assert equal_pair_counts(3) == {0, 1, 3}


def test_shaffers_factors_are_those_of_the_published_example() -> None:
    """García and Herrera (2008), page 2681: of five classifiers, 10, 6, 6, 6, 6, 4, 4, 3, 2, 1."""
    assert equal_pair_counts(5) == {0, 1, 2, 3, 4, 6, 10}
    small = [1e-9 * 2**rank for rank in range(10)]
    factors = [adjusted / p for adjusted, p in zip(shaffer(small, 5), small, strict=True)]
    assert factors == pytest.approx([10, 6, 6, 6, 6, 4, 4, 3, 2, 1])


@given(st.lists(st.floats(0, 1), min_size=15, max_size=15))
@no_deadline
def test_shaffer_lies_between_the_raw_p_and_holms(p_values: list[float]) -> None:
    order = np.argsort(p_values, kind="stable")
    holms = np.minimum(1, np.maximum.accumulate(np.array(p_values)[order] * np.arange(15, 0, -1)))
    adjusted = np.array(shaffer(p_values, 6))[order]
    assert (np.array(p_values)[order] <= adjusted + 1e-15).all()
    assert (adjusted <= holms + 1e-12).all()
    assert (np.diff(adjusted) >= 0).all()


def test_a_clearly_worse_candidate_is_separated_and_the_close_ones_remain() -> None:
    random = np.random.default_rng(0)
    scores = {
        name: (mean + 0.001 * random.standard_normal(10)).tolist()
        for name, mean in (("good", 0.983), ("close", 0.9831), ("bad", 0.95))
    }
    result = eliminate(scores, 10, "maximize", 0.025)
    assert set(result.remaining) == {"good", "close"}
    assert [separation.candidate for separation in result.separated] == ["bad"]
    assert result.separated[0].better == result.leader
    assert result.separated[0].p <= 0.025
    assert result.seeds == 10
    assert not result.decided


def test_a_loss_is_minimized() -> None:
    scores = {"low": [0.10, 0.11, 0.12, 0.11, 0.10], "high": [0.50, 0.51, 0.49, 0.50, 0.52]}
    assert eliminate(scores, 5, "minimize", 0.025).remaining == ("low",)
    assert eliminate(scores, 5, "maximize", 0.025).remaining == ("high",)


@given(fields, st.floats(0.01, 0.5))
@no_deadline
def test_equal_scores_are_never_separated(field: dict[str, list[int]], level: float) -> None:
    first = next(iter(shares(field).values()))
    result = eliminate(dict.fromkeys("abcd", first), 10, "maximize", level)
    assert result.separated == ()
    assert set(result.p.values()) == {1.0}


@pytest.mark.parametrize("resolution", [None, 0.0, 1 / 297])
def test_constants_one_image_apart_are_not_separated_by_three_seeds(resolution: float | None) -> None:
    scores = {"a": [291 / 297] * 3, "b": [290 / 297] * 3, "c": [290 / 297] * 3}
    assert not eliminate(scores, 3, "maximize", 0.025, resolution).separated


@given(fields)
@settings(no_deadline, max_examples=50)
def test_negated_scores_give_the_same_result(field: dict[str, list[int]]) -> None:
    scores = shares(field)
    turned = {name: [-value for value in values] for name, values in scores.items()}
    up, down = eliminate(scores, 10, "maximize", 0.3), eliminate(turned, 10, "minimize", 0.3)
    assert up == down


@given(fields)
@settings(no_deadline, max_examples=50)
def test_every_candidate_either_remains_or_is_separated(field: dict[str, list[int]]) -> None:
    result = eliminate(shares(field), 10, "maximize", 0.3)
    gone = [separation.candidate for separation in result.separated]
    assert result.remaining
    assert sorted([*result.remaining, *gone]) == sorted(field)


@given(fields, st.integers(0, 10))
@settings(no_deadline, max_examples=50)
def test_a_result_does_not_depend_on_when_it_is_computed(field: dict[str, list[int]], beyond: int) -> None:
    """Scores after a candidate's elimination are ignored."""
    scores = shares(field)
    known: dict[str, list[float]] = {name: [] for name in scores}
    for look in looks(10):
        for name in eliminate(known, 10, "maximize", 0.3, 1 / 297).remaining:
            known[name] = scores[name][:look]
    grown = eliminate(known, 10, "maximize", 0.3, 1 / 297)
    further = {name: scores[name][: max(beyond, len(values))] for name, values in known.items()}
    assert grown == eliminate(further, 10, "maximize", 0.3, 1 / 297)
    assert grown.separated == eliminate(scores, 10, "maximize", 0.3, 1 / 297).separated


def test_a_look_waits_for_every_candidates_seeds() -> None:
    apart = {"a": [0.9, 0.91, 0.92, 0.91, 0.9], "b": [0.1, 0.11, 0.12, 0.11]}
    assert eliminate(apart, 5, "maximize", 0.3).seeds == 3
    assert eliminate({"a": [], "b": []}, 5, "maximize", 0.3).seeds == 0


def test_one_seed_ranks_and_separates_nobody() -> None:
    result = eliminate({"a": [0.1], "b": [0.9]}, 1, "maximize", 0.3)
    assert result.remaining == ("b", "a")
    assert result.seeds == 0


def test_a_lone_candidate_has_won_before_it_started() -> None:
    assert eliminate({"a": []}, 10, "maximize", 0.025).decided


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ({}, "at least one candidate"),
        ({"a": [0.5, math.nan]}, "the scores of a must be finite, but got"),
        ({"a": [0.5] * 4}, "a must have at most 3 scores, but has 4"),
    ],
)
def test_impossible_scores_are_refused(scores: dict[str, list[float]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        eliminate(scores, 3, "maximize", 0.05)


def test_equal_recipes_with_unequal_variances_are_separated_no_more_often_than_stated() -> None:
    """400 races at a level of 10 %: at most 14 % may separate a candidate, which more than 1 in 200 runs of a
    procedure that holds its level exactly would exceed, and this one stays below it."""
    random = np.random.default_rng(3)
    deviations = np.array([4.0, 1.0, 1.0, 1.0])
    alarms = 0
    for _ in range(400):
        values = 0.98 + 0.001 * deviations[:, None] * random.standard_normal((4, 5))
        alarms += bool(
            eliminate(dict(zip("abcd", values.tolist(), strict=True)), 5, "maximize", 0.1).separated
        )
    assert alarms <= 0.14 * 400
