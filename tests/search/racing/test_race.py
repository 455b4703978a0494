"""A race goes on until its candidates are told apart or their seeds are used up, and no longer."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from search.racing.race import ENOUGH, Results, race_of

SEEDS = tuple(range(1, 11))


def scores(mean: float, deviation: float, count: int, salt: int = 0) -> dict[int, float]:
    draw = random.Random(f"{mean}/{salt}")
    return {seed: draw.gauss(mean, deviation) for seed in SEEDS[:count]}


def test_it_waits_for_three_seeds_of_each_before_it_compares() -> None:
    race = race_of([{}, {1: 0.9}], SEEDS, "maximize", 0.025)
    assert race.compared == 0
    assert race.wanted == ((0, 1), (1, 2), (0, 2), (1, 3), (0, 3))  # who leads so far comes first
    assert set(race.ahead) == {(index, seed) for index in (0, 1) for seed in SEEDS[3:]}


def test_who_is_far_behind_is_out_at_the_first_look_and_trained_no_more() -> None:
    race = race_of([scores(0.98, 1e-4, 3), scores(0.90, 1e-4, 3)], SEEDS, "maximize", 0.025)
    assert race.fallen[1].than == 0
    assert race.fallen[1].seeds == 3
    assert {index for index, _ in race.wanted} == {0}
    assert not race.decided


def test_the_winner_has_enough_seeds_before_it_is_over() -> None:
    race = race_of([scores(0.98, 1e-4, ENOUGH), scores(0.90, 1e-4, 3)], SEEDS, "maximize", 0.025)
    assert race.decided
    assert race.racing == (0,)


def test_the_reference_is_given_as_many_seeds_as_the_winner_though_it_is_out() -> None:
    held: list[Results] = [scores(0.98, 1e-4, ENOUGH), scores(0.90, 1e-4, 3)]
    race = race_of(held, SEEDS, "maximize", 0.025, reference=1)
    assert race.wanted == ((1, 4), (1, 5))


def test_equals_are_tied_when_their_seeds_are_used_up() -> None:
    race = race_of([scores(0.98, 1e-3, 10, salt) for salt in range(3)], SEEDS, "maximize", 0.025)
    assert race.decided
    assert len(race.racing) == 3
    assert "tied" in race.sentence(["a", "b", "c"])


def test_a_smaller_score_wins_where_less_is_better() -> None:
    race = race_of([scores(0.2, 1e-4, 5), scores(0.1, 1e-4, 5)], SEEDS, "minimize", 0.025)
    assert race.racing == (1,)


def test_a_candidate_that_diverges_with_one_seed_is_out_by_that() -> None:
    held: list[Results] = [{1: 0.9, 2: "with seed 2 it diverged"}, scores(0.8, 1e-3, 10)]
    race = race_of(held, SEEDS, "maximize", 0.025)
    assert race.fallen[0].why == "with seed 2 it diverged"
    assert race.decided
    assert race.racing == (1,)


def test_when_all_fail_it_is_over_without_a_winner() -> None:
    race = race_of([{1: "it failed"}, {2: "it failed"}], SEEDS, "maximize", 0.025)
    assert race.decided
    assert race.racing == ()
    assert "every candidate failed" in race.sentence(["a", "b"])


def test_one_seed_tells_nobody_apart() -> None:
    race = race_of([{1: 0.9}, {1: 0.1}], (1,), "maximize", 0.025)
    assert race.decided
    assert race.racing == (0, 1)


@settings(deadline=None, max_examples=60)  # each walks through many races
@given(
    means=st.lists(st.sampled_from([0.97, 0.975, 0.98, 0.981]), min_size=1, max_size=5),
    seeds=st.integers(1, 12),
    salt=st.integers(0, 50),
    workers=st.integers(1, 6),
)
def test_any_order_of_ends_comes_to_the_same_end_and_trains_no_pair_twice(
    means: list[float], seeds: int, salt: int, workers: int
) -> None:
    given_out = tuple(range(1, seeds + 1))
    truth = [
        {seed: random.Random(f"{salt}/{index}/{seed}").gauss(mean, 1e-3) for seed in given_out}
        for index, mean in enumerate(means)
    ]

    def carried(workers: int) -> tuple[tuple[int, ...], int]:
        held: list[dict[int, float]] = [{} for _ in means]
        live: list[tuple[int, int]] = []
        draw = random.Random(salt)
        while True:
            race = race_of(held, given_out, "maximize", 0.025, reference=len(means) - 1)
            if race.decided:
                return race.racing, race.compared
            for pair in (*race.wanted, *race.ahead):
                if pair not in live and len(live) < workers:
                    live.append(pair)
            assert live, "it waits for what nobody trains"
            index, seed = live.pop(draw.randrange(len(live)))
            assert seed not in held[index]
            held[index][seed] = truth[index][seed]

    assert carried(workers) == carried(1)
