"""Contours and ranks over the pairs of the most important settings."""

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
    told = pairs(sweep)
    assert not isinstance(told, str)
    return told


def contoured(sweep: Sweep) -> contours.Contours:
    told = contours.contours(sweep)
    assert isinstance(told, contours.Contours)
    return told


def ranked(sweep: Sweep) -> ranks.Ranks:
    told = ranks.ranks(sweep)
    assert isinstance(told, ranks.Ranks)
    return told


def test_the_three_most_important_settings_are_paired_the_more_important_one_across() -> None:
    sweep = make_sweep(120)
    told = importances(sweep)
    assert isinstance(told, Importances)
    one, two, three = told.names[:3]
    assert [pair.key for pair in paired(sweep)] == [f"{one}, {two}", f"{one}, {three}", f"{two}, {three}"]


def test_a_pair_holds_the_trials_asked_for_both_best_first() -> None:
    sweep = make_sweep()
    best = sweep.best()
    assert best is not None
    for pair in paired(sweep):
        both = [t for t in complete_trials(sweep) if {pair.across.name, pair.up.name} <= set(t.sampled)]
        assert sorted(pair.numbers) == [trial.number for trial in both]
        assert list(pair.scores) == sorted(pair.scores, reverse=True)
        assert pair.best == (best.number in pair.numbers)
    assert {pair.best for pair in paired(sweep)} == {True, False}


def test_trials_of_one_choice_are_spread_over_its_row_and_numbers_stay_where_they_are() -> None:
    pair = next(pair for pair in paired(make_sweep(200, seed=1)) if pair.up.name == "schedule")
    drawn = [pair.drawn_at(place) for place in range(len(pair.numbers))]
    assert tuple(across for across, _ in drawn) == pair.across_at
    rows = [up for _, up in drawn]
    assert len(set(rows)) == len(rows)
    assert all(abs(up - at) < 0.3 for up, at in zip(rows, pair.up_at, strict=True))


def test_one_setting_alone_makes_no_pair() -> None:
    trials = [make_trial(k, sampled={"x": k / 20}, score=k / 20) for k in range(20)]
    for figure in (pairs, contours.contours, ranks.ranks):
        assert "Only one setting" in str(figure(sweep_of(trials)))
        assert "at least 8 complete trials" in str(figure(make_sweep(2)))


def test_settings_never_asked_together_make_no_pair() -> None:
    trials = [
        make_trial(k, sampled={"one" if k % 2 else "other": k / 20}, score=k / 20 + k % 3) for k in range(20)
    ]
    assert "never asked together" in str(pairs(sweep_of(trials)))


def test_contours_find_the_best_place_and_their_means_are_the_models() -> None:
    sweep = make_sweep(200)
    told, model = contoured(sweep), surrogate(sweep)
    assert isinstance(model, Surrogate)
    first = told.contours[0]
    assert first.pair.key == "learning_rate, dropout"
    assert np.shape(first.means) == (24, 24)
    asked = [
        {**trial.sampled, "learning_rate": first.along[7], "dropout": first.upward[3]}
        for trial in model.trials
    ]
    assert len(asked) < 128
    assert first.means[3][7] == pytest.approx(float(model.predict(asked).mean.mean()))
    means = np.array(first.means)
    up, across = np.unravel_index(means.argmax(), means.shape)
    assert first.along[across] == pytest.approx(4e-3, rel=0.35)
    assert first.upward[up] == pytest.approx(0.15, abs=0.08)
    assert f"explains {100 * model.r_squared:.0f} % of the variance" in contours.sentence(told)
    assert not contours.sentence(told).endswith("rely on.")


def test_a_whole_number_has_a_cell_for_each_value_and_less_is_better_where_minimised() -> None:
    told = contoured(boosting_sweep(40))
    (only,) = told.contours
    assert only.along == (2, 3, 4, 5, 6, 7, 8)
    assert contours.sentence(told).startswith(
        "A model of 40 complete trials expects the best score near depth 5 and shrinkage"
    )
    ground = contours.draw(told)["depth, shrinkage"].data[0]
    assert list(ground.x) == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
    assert ground.reversescale


def test_contours_that_explain_little_are_called_unreliable() -> None:
    random = np.random.default_rng(0)
    trials = [
        make_trial(k, sampled={"x": float(x), "y": float(y)}, score=float(random.normal()))
        for k, (x, y) in enumerate(random.uniform(size=(30, 2)))
    ]
    assert contours.sentence(contoured(sweep_of(trials))).endswith("too little to rely on.")


def test_every_contour_has_the_same_colours_and_a_row_in_the_table() -> None:
    told = contoured(make_sweep(200))
    grounds = [figure.data[0] for figure in contours.draw(told).values()]
    assert len({(ground.zmin, ground.zmax) for ground in grounds}) == 1
    assert list(contours.table(told)["settings"]) == [each.pair.key for each in told.contours]


def test_ranks_go_from_one_for_the_best_and_equal_scores_share_the_mean() -> None:
    scores = [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    trials = [
        make_trial(k, sampled={"x": k / 10, "y": (k * 5 % 9) / 10}, score=score)
        for k, score in enumerate(scores)
    ]
    told = ranked(sweep_of(trials))
    assert told.ranks == ((1, 2.5, 2.5, 4, 5, 6, 7, 8, 9),)
    assert told.pairs[0].numbers[0] == 0
    drawn = ranks.draw(told)[told.pairs[0].key].data[0]
    assert list(drawn.marker.color) == sorted(told.ranks[0], reverse=True)
    assert (drawn.marker.cmin, drawn.marker.cmax) == (1, 9)


def test_the_lowest_is_first_where_a_metric_is_minimised() -> None:
    told = ranked(boosting_sweep(40))
    scores = told.pairs[0].scores
    assert told.ranks[0][0] == 1
    assert scores[0] == min(scores)


def test_the_sentence_says_how_narrowly_the_best_lie_together() -> None:
    told = ranked(boosting_sweep(40))
    depth, shrinkage = told.ranges
    assert (depth.words, depth.share) == ("5", 0)
    assert 0 < shrinkage.share < 1
    assert ranks.sentence(told) == (
        "The best 5 of 40 complete trials lie at depth 5 and within "
        f"{100 * shrinkage.share:.0f} % of the range of shrinkage ({shrinkage.words})."
    )
    assert list(ranks.table(told)["setting"]) == ["depth", "shrinkage"]


def test_of_choices_the_most_frequent_among_the_best_is_told() -> None:
    trials = [
        make_trial(k, sampled={"c": "ab"[k % 2], "d": "pqr"[k % 3]}, score=(k % 2) + (k % 3) / 10 + k / 1e4)
        for k in range(40)
    ]
    told = ranked(sweep_of(trials))
    assert told.ranges[0].choices
    assert "took c b" in ranks.sentence(told)
