"""The race's decisions: against scipy, published examples, and by what no order of seeds may change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from search.racing.elimination import equal_pairs, looks, race, shaffer, step, welch

unhurried = settings(deadline=None)  # a laden machine is slow, not wrong
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
    with pytest.raises(ValueError, match="1 <= seeds must hold, but got seeds=0"):
        looks(0)


@given(figures, figures)
@unhurried
def test_welch_agrees_with_scipy(one: list[float], other: list[float]) -> None:
    ours = welch(one, other)
    if max(np.ptp(one), np.ptp(other)) > 1e-6:
        theirs = stats.ttest_ind(one, other, equal_var=False)
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
        assert ours.freedom == pytest.approx(theirs.df, rel=1e-6)


def test_equal_figures_tell_nothing_where_their_step_is_unknown() -> None:
    told = welch([0.98] * 3, [0.97] * 3)
    assert (told.error, told.p) == (math.inf, 1.0)
    assert welch([0.98], [0.97]).p == 1.0


def test_a_lone_figure_borrows_the_other_sides_variance() -> None:
    several = [0.981, 0.983, 0.985, 0.982]
    told = welch([0.99], several)
    pooled = stats.ttest_ind([0.99], several)  # with one figure, Student's pooled variance is the other's
    assert told.p == pytest.approx(pooled.pvalue)
    assert told.freedom == 3


def test_three_equal_accuracies_on_297_images_are_not_certain() -> None:
    told = welch([291 / 297] * 3, [290 / 297] * 3, resolution=1 / 297)
    assert told.difference / told.error == pytest.approx(math.sqrt(6))
    assert told.p > 0.05


def test_the_step_is_the_smallest_distance_of_different_figures() -> None:
    assert step([np.array([0.98, 0.97]), np.array([0.985, 0.97])]) == pytest.approx(0.005)
    assert step([np.array([0.98, 0.98 + 1e-16])]) == 0.0


def test_three_equal_means_cannot_be_two_equal_pairs() -> None:
    assert equal_pairs(3) == {0, 1, 3}


def test_shaffers_factors_are_those_of_the_published_example() -> None:
    """García and Herrera (2008), page 2681: of five classifiers, 10, 6, 6, 6, 6, 4, 4, 3, 2, 1."""
    assert equal_pairs(5) == {0, 1, 2, 3, 4, 6, 10}
    small = [1e-9 * 2**rank for rank in range(10)]
    factors = [adjusted / p for adjusted, p in zip(shaffer(small, 5), small, strict=True)]
    assert factors == pytest.approx([10, 6, 6, 6, 6, 4, 4, 3, 2, 1])


@given(st.lists(st.floats(0, 1), min_size=15, max_size=15))
@unhurried
def test_shaffer_lies_between_the_bare_p_and_holms(p_values: list[float]) -> None:
    order = np.argsort(p_values, kind="stable")
    holms = np.minimum(1, np.maximum.accumulate(np.array(p_values)[order] * np.arange(15, 0, -1)))
    adjusted = np.array(shaffer(p_values, 6))[order]
    assert (np.array(p_values)[order] <= adjusted + 1e-15).all()
    assert (adjusted <= holms + 1e-12).all()
    assert (np.diff(adjusted) >= 0).all()


def test_a_clearly_worse_candidate_is_let_go_and_the_close_ones_race_on() -> None:
    random = np.random.default_rng(0)
    scores = {
        name: (mean + 0.001 * random.standard_normal(10)).tolist()
        for name, mean in (("good", 0.983), ("close", 0.9831), ("bad", 0.95))
    }
    told = race(scores, 10, "maximize", 0.025)
    assert set(told.racing) == {"good", "close"}
    assert [each.candidate for each in told.separated] == ["bad"]
    assert told.separated[0].than == told.leader
    assert told.separated[0].p <= 0.025
    assert told.seeds == 10
    assert not told.decided


def test_a_loss_is_raced_downwards() -> None:
    scores = {"low": [0.10, 0.11, 0.12, 0.11, 0.10], "high": [0.50, 0.51, 0.49, 0.50, 0.52]}
    assert race(scores, 5, "minimize", 0.025).racing == ("low",)
    assert race(scores, 5, "maximize", 0.025).racing == ("high",)


@given(fields, st.floats(0.01, 0.5))
@unhurried
def test_equal_scores_are_never_told_apart(field: dict[str, list[int]], level: float) -> None:
    first = next(iter(shares(field).values()))
    told = race(dict.fromkeys("abcd", first), 10, "maximize", level)
    assert told.separated == ()
    assert set(told.p.values()) == {1.0}


@pytest.mark.parametrize("resolution", [None, 0.0, 1 / 297])
def test_constants_one_image_apart_are_not_told_apart_by_three_seeds(resolution: float | None) -> None:
    scores = {"a": [291 / 297] * 3, "b": [290 / 297] * 3, "c": [290 / 297] * 3}
    assert not race(scores, 3, "maximize", 0.025, resolution).separated


@given(fields)
@settings(unhurried, max_examples=50)
def test_upside_down_scores_give_the_same_race(field: dict[str, list[int]]) -> None:
    scores = shares(field)
    turned = {name: [-value for value in values] for name, values in scores.items()}
    up, down = race(scores, 10, "maximize", 0.3), race(turned, 10, "minimize", 0.3)
    assert up == down


@given(fields)
@settings(unhurried, max_examples=50)
def test_someone_is_always_left_and_nobody_is_lost(field: dict[str, list[int]]) -> None:
    told = race(shares(field), 10, "maximize", 0.3)
    gone = [each.candidate for each in told.separated]
    assert told.racing
    assert sorted([*told.racing, *gone]) == sorted(field)


@given(fields, st.integers(0, 10))
@settings(unhurried, max_examples=50)
def test_a_race_read_again_as_it_grew_gives_the_same_answer(field: dict[str, list[int]], beyond: int) -> None:
    """Candidates stop where they were let go; scores that came beyond that change nothing."""
    scores = shares(field)
    known: dict[str, list[float]] = {name: [] for name in scores}
    for look in looks(10):
        for name in race(known, 10, "maximize", 0.3, 1 / 297).racing:
            known[name] = scores[name][:look]
    grown = race(known, 10, "maximize", 0.3, 1 / 297)
    further = {name: scores[name][: max(beyond, len(values))] for name, values in known.items()}
    assert grown == race(further, 10, "maximize", 0.3, 1 / 297)
    assert grown.separated == race(scores, 10, "maximize", 0.3, 1 / 297).separated


def test_a_look_waits_for_the_last_candidates_seed() -> None:
    apart = {"a": [0.9, 0.91, 0.92, 0.91, 0.9], "b": [0.1, 0.11, 0.12, 0.11]}
    assert race(apart, 5, "maximize", 0.3).seeds == 3
    assert race({"a": [], "b": []}, 5, "maximize", 0.3).seeds == 0


def test_one_seed_ranks_and_separates_nobody() -> None:
    told = race({"a": [0.1], "b": [0.9]}, 1, "maximize", 0.3)
    assert told.racing == ("b", "a")
    assert told.seeds == 0


def test_a_lone_candidate_has_won_before_it_started() -> None:
    assert race({"a": []}, 10, "maximize", 0.025).decided


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ({}, "at least one candidate"),
        ({"a": [0.5, math.nan]}, "a: scores must be finite, but got"),
        ({"a": [0.5] * 4}, "a: at most 3 scores must come, but got 4"),
    ],
)
def test_impossible_scores_are_refused(scores: dict[str, list[float]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        race(scores, 3, "maximize", 0.05)


def test_equal_recipes_with_uneven_seeds_are_told_apart_no_more_often_than_stated() -> None:
    """400 races at a level of 10 %: at most 14 % may be told apart, which more than 1 in 200 runs of a
    procedure that holds its level exactly would exceed, and this one stays below it."""
    random = np.random.default_rng(3)
    deviations = np.array([4.0, 1.0, 1.0, 1.0])
    alarms = 0
    for _ in range(400):
        values = 0.98 + 0.001 * deviations[:, None] * random.standard_normal((4, 5))
        alarms += bool(race(dict(zip("abcd", values.tolist(), strict=True)), 5, "maximize", 0.1).separated)
    assert alarms <= 0.14 * 400
