"""A race ends as soon as its candidates are separated or their seeds are used up."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from search.racing.race import MIN_SEEDS, SeedResults, evaluate_race

SEEDS = tuple(range(1, 11))


def scores(mean: float, deviation: float, count: int, salt: int = 0) -> dict[int, float]:
    draw = random.Random(f"{mean}/{salt}")
    return {seed: draw.gauss(mean, deviation) for seed in SEEDS[:count]}


def test_the_first_comparison_waits_for_three_seeds_of_each_candidate() -> None:
    race = evaluate_race([{}, {1: 0.9}], SEEDS, "maximize", 0.025)
    assert race.compared == 0
    assert race.pending == ((0, 1), (1, 2), (0, 2), (1, 3), (0, 3))  # the current leader comes first
    assert set(race.upcoming) == {(index, seed) for index in (0, 1) for seed in SEEDS[3:]}


def test_a_clearly_worse_candidate_is_out_at_the_first_look_and_not_trained_again() -> None:
    race = evaluate_race([scores(0.98, 1e-4, 3), scores(0.90, 1e-4, 3)], SEEDS, "maximize", 0.025)
    assert race.eliminated[1].better == 0
    assert race.eliminated[1].seeds == 3
    assert {index for index, _ in race.pending} == {0}
    assert not race.decided


def test_the_race_ends_only_once_the_winner_has_enough_seeds() -> None:
    race = evaluate_race([scores(0.98, 1e-4, MIN_SEEDS), scores(0.90, 1e-4, 3)], SEEDS, "maximize", 0.025)
    assert race.decided
    assert race.remaining == (0,)


def test_the_reference_gets_as_many_seeds_as_the_winner_even_when_it_is_out() -> None:
    results: list[SeedResults] = [scores(0.98, 1e-4, MIN_SEEDS), scores(0.90, 1e-4, 3)]
    race = evaluate_race(results, SEEDS, "maximize", 0.025, reference=1)
    assert race.pending == ((1, 4), (1, 5))


def test_equal_candidates_are_tied_when_their_seeds_are_used_up() -> None:
    race = evaluate_race([scores(0.98, 1e-3, 10, salt) for salt in range(3)], SEEDS, "maximize", 0.025)
    assert race.decided
    assert len(race.remaining) == 3
    assert "tied" in race.sentence(["a", "b", "c"])


def test_the_smaller_score_wins_when_minimizing() -> None:
    race = evaluate_race([scores(0.2, 1e-4, 5), scores(0.1, 1e-4, 5)], SEEDS, "minimize", 0.025)
    assert race.remaining == (1,)


def test_a_candidate_that_diverges_with_one_seed_is_out() -> None:
    results: list[SeedResults] = [{1: 0.9, 2: "with seed 2 it diverged"}, scores(0.8, 1e-3, 10)]
    race = evaluate_race(results, SEEDS, "maximize", 0.025)
    assert race.eliminated[0].failure == "with seed 2 it diverged"
    assert race.decided
    assert race.remaining == (1,)


def test_a_race_in_which_all_fail_has_no_winner() -> None:
    race = evaluate_race([{1: "it failed"}, {2: "it failed"}], SEEDS, "maximize", 0.025)
    assert race.decided
    assert race.remaining == ()
    assert "every candidate failed" in race.sentence(["a", "b"])


def test_one_seed_separates_no_candidates() -> None:
    race = evaluate_race([{1: 0.9}, {1: 0.1}], (1,), "maximize", 0.025)
    assert race.decided
    assert race.remaining == (0, 1)


@settings(deadline=None, max_examples=60)  # each example evaluates many races
@given(
    means=st.lists(st.sampled_from([0.97, 0.975, 0.98, 0.981]), min_size=1, max_size=5),
    seeds=st.integers(1, 12),
    salt=st.integers(0, 50),
    workers=st.integers(1, 6),
)
def test_the_order_of_results_does_not_change_the_outcome_and_no_pair_is_trained_twice(
    means: list[float], seeds: int, salt: int, workers: int
) -> None:
    order = tuple(range(1, seeds + 1))
    truth = [
        {seed: random.Random(f"{salt}/{index}/{seed}").gauss(mean, 1e-3) for seed in order}
        for index, mean in enumerate(means)
    ]

    def outcome(workers: int) -> tuple[tuple[int, ...], int]:
        results: list[dict[int, float]] = [{} for _ in means]
        live: list[tuple[int, int]] = []
        draw = random.Random(salt)
        while True:
            race = evaluate_race(results, order, "maximize", 0.025, reference=len(means) - 1)
            if race.decided:
                return race.remaining, race.compared
            for pair in (*race.pending, *race.upcoming):
                if pair not in live and len(live) < workers:
                    live.append(pair)
            assert live, "the race waits for a pair that nobody trains"
            index, seed = live.pop(draw.randrange(len(live)))
            assert seed not in results[index]
            results[index][seed] = truth[index][seed]

    assert outcome(workers) == outcome(1)
