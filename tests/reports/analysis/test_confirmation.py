"""A confirmation in numbers: selection bias, ties, and each finalist on the test set."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from sweeps import (
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

from benchsweep.screen.ending import print_confirmation
from reports.analysis.confirmation import confirmation_summary
from reports.analysis.verdict import reproduce_command
from reports.analysis.winner import winner_of
from reports.statistics.comparison import compare_scores
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
