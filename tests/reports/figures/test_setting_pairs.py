"""Contours and ranks over the pairs of the most important hyperparameters."""

from __future__ import annotations

import numpy as np
import pytest
from sweeps import boosting_sweep, make_sweep, make_trial, sweep_of

from reports.figures import contours, ranks
from reports.figures.importances import Importances, importances
from reports.figures.setting_pairs import Pair, pairs
from reports.importance.surrogate import Surrogate, complete_trials, surrogate
from search.records.sweep import Sweep


def paired(sweep: Sweep) -> tuple[Pair, ...]:
    numbers = pairs(sweep)
    assert not isinstance(numbers, str)
    return numbers


def contoured(sweep: Sweep) -> contours.Contours:
    numbers = contours.contours(sweep)
    assert isinstance(numbers, contours.Contours)
    return numbers


def ranked(sweep: Sweep) -> ranks.Ranks:
    numbers = ranks.ranks(sweep)
    assert isinstance(numbers, ranks.Ranks)
    return numbers


def test_the_three_most_important_hyperparameters_are_paired_the_more_important_one_across() -> None:
    sweep = make_sweep(120)
    numbers = importances(sweep)
    assert isinstance(numbers, Importances)
    one, two, three = numbers.names[:3]
    assert [pair.key for pair in paired(sweep)] == [f"{one}, {two}", f"{one}, {three}", f"{two}, {three}"]


def test_a_pair_has_the_trials_that_sampled_both_best_first() -> None:
    sweep = make_sweep()
    for pair in paired(sweep):
        both = [t for t in complete_trials(sweep) if {pair.across.name, pair.up.name} <= set(t.sampled)]
        assert sorted(pair.numbers) == [trial.number for trial in both]
        assert list(pair.scores) == sorted(pair.scores, reverse=True)


def test_trials_of_one_choice_are_spread_over_its_row_and_numeric_values_are_exact() -> None:
    pair = next(pair for pair in paired(make_sweep(200, seed=1)) if pair.up.name == "schedule")
    drawn = [pair.drawn_at(index) for index in range(len(pair.numbers))]
    assert tuple(across for across, _ in drawn) == pair.across_at
    rows = [up for _, up in drawn]
    assert len(set(rows)) == len(rows)
    assert all(abs(up - at) < 0.3 for up, at in zip(rows, pair.up_at, strict=True))


def test_a_single_hyperparameter_makes_no_pair() -> None:
    trials = [make_trial(k, sampled={"x": k / 20}, score=k / 20) for k in range(20)]
    for figure in (pairs, contours.contours, ranks.ranks):
        assert "Only one hyperparameter" in str(figure(sweep_of(trials)))
        assert "at least 8 complete trials" in str(figure(make_sweep(2)))


def test_hyperparameters_never_sampled_together_make_no_pair() -> None:
    trials = [
        make_trial(k, sampled={"one" if k % 2 else "other": k / 20}, score=k / 20 + k % 3) for k in range(20)
    ]
    assert "Fewer than two" in str(pairs(sweep_of(trials)))


def conditional(have: set[int]) -> Sweep:
    """Twenty trials, the first ones best, that sampled `rate` and, if among `have`, the important `gamma`."""
    return sweep_of(
        [
            make_trial(
                k,
                sampled={"rate": (k % 7) / 10, "x": k / 20} | ({"gamma": 0.5 + k / 100} if k in have else {}),
                score=1 - k / 20,
            )
            for k in range(20)
        ]
    )


def test_no_pair_has_a_hyperparameter_that_the_best_trial_or_most_trials_lack() -> None:
    for have in (set(range(1, 20)), set(range(8))):
        assert "gamma" in importances(conditional(have)).names  # type: ignore[union-attr]
        assert [pair.key for pair in paired(conditional(have))] in (["x, rate"], ["rate, x"])
    names = {
        name for pair in paired(conditional(set(range(15)))) for name in (pair.across.name, pair.up.name)
    }
    assert names == {"gamma", "rate", "x"}


def test_a_range_is_over_all_of_the_best_that_sampled_it_and_says_how_many_did() -> None:
    numbers = ranked(conditional({0, 1, 2, *range(5, 18)}))
    assert numbers.top == 5
    spans = {span.name: span for span in numbers.ranges}
    assert (spans["x"].words, spans["x"].trials) == ("0 to 0.2", 5)  # trials 3 and 4 too, which have no gamma
    assert (spans["gamma"].words, spans["gamma"].trials) == ("0.5 to 0.52", 3)
    assert dict(zip(ranks.table(numbers)["hyperparameter"], ranks.table(numbers)["trials"], strict=True)) == {
        name: span.trials for name, span in spans.items()
    }
    assert "gamma (0.5 to 0.52, in the 3 that sampled it)" in ranks.sentence(numbers)


def test_contours_find_the_best_values_and_their_means_are_the_models() -> None:
    sweep = make_sweep(200)
    numbers, model = contoured(sweep), surrogate(sweep)
    assert isinstance(model, Surrogate)
    first = numbers.contours[0]
    assert first.pair.key == "learning_rate, dropout"
    assert np.shape(first.means) == (24, 24)
    recipes = [
        {**trial.sampled, "learning_rate": first.across[7], "dropout": first.up[3]} for trial in model.trials
    ]
    assert len(recipes) < 128
    assert first.means[3][7] == pytest.approx(float(model.predict(recipes).mean.mean()))
    means = np.array(first.means)
    up, across = np.unravel_index(means.argmax(), means.shape)
    assert first.across[across] == pytest.approx(4e-3, rel=0.35)
    assert first.up[up] == pytest.approx(0.15, abs=0.08)
    assert f"explains {100 * model.r_squared:.0f} % of the variance" in contours.sentence(numbers)
    assert not contours.sentence(numbers).endswith("rely on.")


def test_an_integer_has_a_cell_for_each_value_and_less_is_better_if_minimised() -> None:
    numbers = contoured(boosting_sweep(40))
    (only,) = numbers.contours
    assert only.across == (2, 3, 4, 5, 6, 7, 8)
    assert contours.sentence(numbers).startswith(
        "A model of 40 complete trials predicts the best score near depth 5 and shrinkage"
    )
    ground = contours.draw(numbers)["depth, shrinkage"].data[0]
    assert list(ground.x) == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
    assert ground.reversescale


def test_contours_that_explain_little_are_called_unreliable() -> None:
    random = np.random.default_rng(0)
    trials = [
        make_trial(k, sampled={"x": float(x), "y": float(y)}, score=float(random.normal()))
        for k, (x, y) in enumerate(random.uniform(size=(30, 2)))
    ]
    assert contours.sentence(contoured(sweep_of(trials))).endswith("too little to rely on.")


def test_every_contour_has_the_same_colour_scale_and_a_row_in_the_table() -> None:
    numbers = contoured(make_sweep(200))
    grounds = [figure.data[0] for figure in contours.draw(numbers).values()]
    assert len({(ground.zmin, ground.zmax) for ground in grounds}) == 1
    assert list(contours.table(numbers)["hyperparameters"]) == [
        contour.pair.key for contour in numbers.contours
    ]


def test_ranks_start_at_one_for_the_best_and_equal_scores_share_the_mean() -> None:
    scores = [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    trials = [
        make_trial(k, sampled={"x": k / 10, "y": (k * 5 % 9) / 10}, score=score)
        for k, score in enumerate(scores)
    ]
    numbers = ranked(sweep_of(trials))
    assert numbers.ranks == ((1, 2.5, 2.5, 4, 5, 6, 7, 8, 9),)
    assert numbers.pairs[0].numbers[0] == 0
    drawn = ranks.draw(numbers)[numbers.pairs[0].key].data[0]
    assert list(drawn.marker.color) == sorted(numbers.ranks[0], reverse=True)
    assert (drawn.marker.cmin, drawn.marker.cmax) == (1, 9)


def test_the_lowest_score_is_first_if_the_metric_is_minimised() -> None:
    numbers = ranked(boosting_sweep(40))
    scores = numbers.pairs[0].scores
    assert numbers.ranks[0][0] == 1
    assert scores[0] == min(scores)


def test_the_sentence_says_how_closely_the_best_lie_together() -> None:
    numbers = ranked(boosting_sweep(40))
    depth, shrinkage = numbers.ranges
    assert (depth.words, depth.share) == ("5", 0)
    assert 0 < shrinkage.share < 1
    assert ranks.sentence(numbers) == (
        "The best 5 of 40 complete trials lie at depth 5 and within "
        f"{100 * shrinkage.share:.0f} % of the range of shrinkage ({shrinkage.words})."
    )
    assert list(ranks.table(numbers)["hyperparameter"]) == ["depth", "shrinkage"]


def test_the_most_frequent_choice_among_the_best_is_named() -> None:
    trials = [
        make_trial(k, sampled={"c": "ab"[k % 2], "d": "pqr"[k % 3]}, score=(k % 2) + (k % 3) / 10 + k / 1e4)
        for k in range(40)
    ]
    numbers = ranked(sweep_of(trials))
    assert numbers.ranges[0].choices
    assert "have c b" in ranks.sentence(numbers)
