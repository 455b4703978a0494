"""A confirmation in numbers: selection bias, ties, and each finalist on the test set."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from sweeps import (
    ACCURACY,
    LOG_LOSS,
    boosting_sweep,
    confirmed_sweep,
    make_confirmation,
    make_look,
    make_opening,
    make_sweep,
    make_trial,
    sweep_of,
)

from benchsweep.screen.ending import print_confirmation, print_leaderboard
from benchsweep.screen.tables import print_run
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.confirmation import confirmation_summary
from reports.analysis.ranking import leaderboard
from reports.analysis.verdict import reproduce_command, verdict
from reports.analysis.winner import winner_of
from reports.figures.confirmation import confirmation as confirmation_figure
from reports.figures.confirmation import sentence as confirmation_sentence
from reports.figures.confirmation import table as confirmation_frame
from reports.statistics.comparison import compare_scores
from reports.statistics.intervals import spread
from search.records.sweep import Sweep
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation


def test_a_search_without_a_confirmation_has_no_summary() -> None:
    assert confirmation_summary(make_sweep()) is None


def test_selection_bias_is_the_search_score_minus_the_fresh_mean() -> None:
    summary = confirmation_summary(confirmed_sweep())
    assert summary is not None
    for row in summary.rows[:3]:
        assert row.selected_on is not None
        assert row.mean is not None
        assert row.selection_bias == pytest.approx(row.selected_on - row.mean)
    assert (summary.rows[3].trial, summary.rows[3].selection_bias) == (None, None)
    assert sum(row.tested.best_share or 0 for row in summary.rows if row.tested) == pytest.approx(1)


def test_an_eliminated_candidate_names_the_better_one() -> None:
    scores = {7: [0.96, 0.961, 0.962], 3: [0.981, 0.982, 0.983], 5: [0.98, 0.982, 0.984]}
    race = make_confirmation(scores, {7: 0.99, 3: 0.985, 5: 0.984}, seeds=(1, 2, 3))
    summary = confirmation_summary(sweep_of([make_trial(3)], confirmation=race))
    assert summary is not None
    out = next(row for row in summary.rows if row.trial == 7)
    assert out.state == "behind"
    assert out.why.startswith(f"{summary.rows[0].name} is better over 3 seeds, p ")
    assert out.tested is None


def test_before_the_race_is_decided_there_is_no_winner() -> None:
    race = make_confirmation({1: [0.98], None: [0.97]}, {1: 0.985})
    sweep = sweep_of([make_trial(1)], confirmation=race)
    summary = confirmation_summary(sweep)
    assert summary is not None
    assert {row.state for row in summary.rows} == {"racing"}
    assert not summary.decided
    assert winner_of(sweep) is None


def test_a_default_recipe_that_ties_and_is_smaller_wins_and_has_no_trial_to_reproduce() -> None:
    same = [0.980, 0.981, 0.982]
    race = make_confirmation(
        {1: same, None: same}, {1: 0.985}, parameters={1: 200_000, None: 100_000}, seeds=(1, 2, 3)
    )
    looks = [make_look(trial, seed) for trial in (None, 1) for seed in (1, 2, 3)]
    sweep = sweep_of([make_trial(1)], confirmation=race, openings=(make_opening(*looks),))
    winner, summary = winner_of(sweep), confirmation_summary(sweep)
    assert winner is not None
    assert summary is not None
    assert winner.name == "default"
    assert reproduce_command(sweep).endswith(" default")
    assert "The default recipe was confirmed with 3 fresh seeds" in summary.sentences[0]
    assert "fewest parameters" in summary.sentences[-1]


def test_without_bits_the_seeds_scores_are_compared_and_lower_loss_is_better() -> None:
    scores = {2: [0.20, 0.21, 0.20, 0.21, 0.2], None: [0.30, 0.31, 0.32, 0.30, 0.31]}
    race = make_confirmation(scores, {2: 0.19}, metric=LOG_LOSS, seeds=(1, 2, 3, 4, 5))
    looks = [
        make_look(trial, seed, Evaluation({"log_loss": value}, 360))
        for trial, values in scores.items()
        for seed, value in enumerate(values, 1)
    ]
    plain = boosting_sweep()
    sweep = sweep_of(
        plain.trials, plan=plain.plan, metric=LOG_LOSS, confirmation=race, openings=(make_opening(*looks),)
    )
    summary = confirmation_summary(sweep)
    assert summary is not None
    tested = summary.rows[1].tested
    assert tested is not None
    expected = compare_scores(scores[2], scores[None], summary.level)
    assert tested.gain == expected
    assert (tested.standing, tested.best_share, tested.low) == ("better", None, None)


def test_the_terminal_table_stays_within_80_columns_and_cuts_no_number() -> None:
    out = io.StringIO()
    print_confirmation(Console(file=out, width=80), confirmed_sweep())
    table = out.getvalue().split("\n\n")[0]
    assert "…" not in table
    assert max(len(line) for line in table.splitlines()) <= 80


def constant_race(
    scores: dict[int | None, float], metric: Metric = ACCURACY, seeds: int = 5, tested: bool = False
) -> Sweep:
    """A confirmed search of a training that ignores its seed: each candidate scored the same with each."""
    used = tuple(range(1, seeds + 1))
    race = make_confirmation(
        {trial: [score] * seeds for trial, score in scores.items()},
        {trial: score for trial, score in scores.items() if trial is not None},
        metric=metric,
        seeds=used,
    )
    looks = [
        make_look(trial, seed, Evaluation({metric.name: score}, 83))
        for trial, score in scores.items()
        for seed in used
    ]
    plain = boosting_sweep()
    return sweep_of(
        plain.trials,
        plan=plain.plan,
        metric=metric,
        confirmation=race,
        openings=(make_opening(*looks),) if tested else (),
    )


def test_scores_that_ignore_the_seed_show_no_selection_bias_and_no_p() -> None:
    sweep = constant_race({1: 0.1, None: 0.3}, LOG_LOSS, tested=True)
    summary = confirmation_summary(sweep)
    assert summary is not None
    first, second = summary.rows
    assert (first.selection_bias, first.deviation, first.mean) == (0.0, 0.0, 0.1)
    assert second.tested is not None
    assert (second.tested.p, second.tested.standing) == (None, None)
    text = " ".join(summary.sentences)
    assert "0.2 nats better than the default recipe. Scores that are equal for all seeds say nothing" in text
    assert "the score does not vary with the seed, so selection bias cannot be measured" in text
    assert "p =" not in text
    assert "e-17" not in text
    numbers = confirmation_figure(summary)
    assert not isinstance(numbers, str)
    cells = confirmation_frame(numbers).iloc[1]
    assert (cells["p"], cells["winner is"], cells["selection bias"]) == ("", "not known", "–")


@pytest.mark.parametrize("shares", [(0.3, 0.54, 0.16), (0.6, 0.3, 0.1)])
def test_a_winner_that_is_not_the_likeliest_best_on_the_test_set_is_explained(
    shares: tuple[float, ...],
) -> None:
    summary = confirmation_summary(confirmed_sweep())
    assert summary is not None
    tested = [row for row in summary.rows if row.tested is not None]
    changed = {
        row.name: row._replace(tested=row.tested._replace(best_share=share))
        for row, share in zip(tested, shares, strict=False)
        if row.tested is not None
    }
    rows = tuple(changed.get(row.name, row) for row in summary.rows)
    numbers = confirmation_figure(replace(summary, rows=rows))
    assert not isinstance(numbers, str)
    text = confirmation_sentence(numbers)
    assert "The chance of best is the share of resamples" in text
    explained = f"It is higher for {rows[1].name} (54%) than for the winner, {rows[0].name} (30%)"
    assert (explained in text) == (shares[0] == 0.3)
    assert rows[0].state == "winner"


def test_the_lead_of_scores_without_spread_is_limited_to_the_examples_they_come_from() -> None:
    scores: dict[int | None, float] = {1: 82 / 83, 2: 75 / 83, 3: 70 / 83, None: 60 / 83}
    summary = confirmation_summary(constant_race(scores, seeds=10))
    assert summary is not None
    assert [row.state for row in summary.rows] == ["winner", "behind", "behind", "behind"]
    assert summary.sentences[-1] == (
        "It scored better than all 3 other candidates with every seed. Their scores do not vary with the "
        "seed, so this holds for these validation examples; whether it holds for others is not known."
    )
    assert "p =" not in summary.rows[1].why
    assert "neither varies with the seed" in summary.rows[1].why


@pytest.mark.parametrize(("other", "words"), [(0.2, "scored 0.2 nats"), (0.21, "scored the same")])
def test_ties_of_scores_without_spread_say_what_is_not_known(other: float, words: str) -> None:
    summary = confirmation_summary(constant_race({1: 0.2, 2: other}, LOG_LOSS, seeds=2))
    assert summary is not None
    assert (
        f"are tied: each {words} with every seed on validation, which says nothing about chance"
        in (summary.sentences[-1])
    )
    assert summary.sentences[-1].endswith(
        "it came first in the search." if other == 0.2 else "it has the best mean."
    )


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, 98.7])
@pytest.mark.parametrize("count", range(2, 12))
def test_equal_values_have_their_own_value_as_mean_and_no_spread(value: float, count: int) -> None:
    assert spread([value] * count) == (value, 0.0, count)


def test_where_the_default_recipe_wins_the_verdict_shows_its_values_of_the_searched_settings() -> None:
    race = make_confirmation(
        {1: [0.97] * 5, None: [0.98] * 5},
        {1: 0.97},
        seeds=(1, 2, 3, 4, 5),
        given={None: {"learning_rate": 2e-3}},
    )
    looks = [make_look(None, seed) for seed in (1, 2, 3, 4, 5)]
    sweep = sweep_of([make_trial(1)], confirmation=race, openings=(make_opening(*looks),))
    told = verdict(sweep, leaderboard(sweep, read_benchmarks()), "")
    assert told.settings == (("learning_rate", "0.002"),)
    assert told.settings_title == "The default recipe won; of the searched hyperparameters it has"


def test_a_table_of_a_metric_with_a_long_unit_cuts_no_number() -> None:
    metric = Metric("mean_cross_entropy", "minimize", "nats per character")
    scores: dict[int | None, float] = {1: 0.093351, 1234: 0.093352, None: 0.21234}
    out = io.StringIO()
    print_confirmation(Console(file=out, width=80), constant_race(scores, metric, tested=True))
    table = out.getvalue().split("\n\n")[0]
    assert "…" not in table
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "0.09335" in table
    assert "nats per" in table


def test_a_share_on_the_test_set_is_shown_in_percent_everywhere() -> None:
    metric = Metric("cv_accuracy", "maximize", "share")
    sweep = constant_race({1: 1.0, None: 0.9}, metric, tested=True)
    out = io.StringIO()
    print_leaderboard(Console(file=out, width=80), sweep)
    assert out.getvalue().startswith("test: cv accuracy 100.00 % on 83 examples")


def test_a_run_without_a_data_table_names_its_trainable_alone() -> None:
    out = io.StringIO()
    print_run(Console(file=out, width=80), sweep_of([make_trial(0)], plan={"trainable": "cnn"}))
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("trainable")]
    assert line.split() == ["trainable", "cnn"]
