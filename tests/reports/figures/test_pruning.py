"""Pruning: what it saved, and whether early scores predict the final ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sweeps import PLAN, boosting_sweep, make_repeat, make_sweep, make_trial, sweep_of

from reports.figures import curves
from reports.figures.pruning import draw, sentence, table
from reports.figures.pruning_numbers import Pruning, pruning
from reports.health.trials import pruned_too_early
from search.records.sweep import State, Sweep, Trial
from trainable.epoch import Epoch


def pruning_of(sweep: Sweep) -> Pruning:
    numbers = pruning(sweep)
    assert isinstance(numbers, Pruning)
    return numbers


def curve(number: int, values: list[float], seconds: float = 2.0, **changes: object) -> Trial:
    """A trial of ten epochs with these accuracies; PRUNED when there are fewer."""
    epochs = tuple(Epoch(k, {"validation_accuracy": v}, seconds) for k, v in enumerate(values, 1))
    state = State.COMPLETE if len(values) == 10 else State.PRUNED
    return make_trial(number, **{"state": state, "epochs": epochs, "score": values[-1], **changes})


def line(number: int, end: float, start: float = 0.5) -> Trial:
    return curve(number, [start + (end - start) * k / 9 for k in range(10)])


def test_a_saved_epoch_takes_its_own_trials_mean_time_per_epoch() -> None:
    sweep = sweep_of([line(0, 0.9), curve(1, [0.5], 3.0), curve(2, [0.4] * 3, 1.0)])
    numbers = pruning_of(sweep)
    assert (numbers.pruned, numbers.planned, numbers.saved) == (2, 20, 9 + 7)
    assert numbers.saved_seconds == 9 * 3.0 + 7 * 1.0
    assert numbers.trained == 14
    assert "saved 16 of the 20 epochs they would have trained, about 34 s or 57 %" in sentence(numbers)


def test_abandoned_repeated_and_failed_trials_are_not_counted_as_pruned() -> None:
    kept = [line(0, 0.9), curve(1, [0.5])]
    left = curve(2, [0.4], abandoned=True)
    failed = curve(3, [0.4], state=State.FAILED)
    numbers = pruning_of(sweep_of([*kept, left, failed, make_repeat(4, kept[1])]))
    assert (numbers.pruned, numbers.saved) == (1, 9)


def test_a_trial_that_was_pruned_would_have_ended_by_itself_where_all_others_did() -> None:
    recipe = {"epochs": 1000, "seed": 0}
    complete = [line(0, 0.9), line(1, 0.8)]
    stopped = curve(2, [0.4] * 3, recipe=recipe)
    early = sweep_of([*(replace(trial, recipe=recipe) for trial in complete), stopped])
    assert (pruning_of(early).planned, pruning_of(early).saved) == (10, 7)
    one_to_the_end = sweep_of([*complete, stopped])
    assert pruning_of(one_to_the_end).saved == 997


def test_paused_trials_are_told_apart_from_pruned_ones() -> None:
    paused = [curve(1, [0.5, 0.5], state=State.PAUSED), curve(2, [0.4], state=State.PAUSED)]
    sweep = sweep_of([line(0, 0.9), *paused, curve(3, [0.6], state=State.RUNNING)])
    numbers = pruning_of(sweep)
    assert (numbers.pruned, numbers.paused) == (0, 2)
    assert sentence(numbers).startswith("None of 4 trials was pruned, 2 are paused. ")
    assert "2 trials are paused" in pruned_too_early(sweep).message
    drawn = curves.curves(sweep)
    assert isinstance(drawn, curves.Curves)
    assert "complete (10 epochs); 1 is running and 2 are paused;" in curves.sentence(drawn)


def test_the_correlation_is_of_complete_trials_alone() -> None:
    random = np.random.default_rng(0)
    complete = [line(k, float(random.uniform(0.8, 0.9)), float(random.uniform(0.4, 0.6))) for k in range(20)]
    stopped = [curve(20 + k, [0.3]) for k in range(20)]
    numbers = pruning_of(sweep_of([*complete, *stopped]))
    first = numbers.epochs[0]
    early = [trial.epochs[0].metrics["validation_accuracy"] for trial in complete]
    final = [trial.score for trial in complete]
    assert first.correlation is not None
    assert first.correlation.pairs == 20
    assert first.correlation.value == pytest.approx(float(stats.spearmanr(early, final).statistic))
    assert (first.reached, first.stopped) == (40, 20)
    assert numbers.first_stop == first


def test_pruning_by_scores_that_do_not_predict_the_final_ones_is_called_too_early() -> None:
    turned = [line(k, 0.9 - k / 100, 0.5 + k / 100) for k in range(20)]
    numbers = pruning_of(sweep_of([*turned, curve(20, [0.3])]))
    assert numbers.too_early is True
    assert "hardly predict the final ranking (rank correlation -1.00" in sentence(numbers)
    steady = [line(k, 0.9 - k / 100, 0.6 - k / 100) for k in range(20)]
    numbers = pruning_of(sweep_of([*steady, curve(20, [0.3])]))
    assert numbers.too_early is False
    assert " predict the final ranking" in sentence(numbers)


def test_a_correlation_that_may_be_weak_or_strong_leaves_too_early_unknown() -> None:
    final = [0.80, 0.90, 0.83, 0.95, 0.81, 0.91, 0.99, 0.84, 0.97, 0.82, 0.96, 0.93]
    mixed = [line(k, score, 0.5 + k / 100) for k, score in enumerate(final)]
    sweep = sweep_of([*mixed, curve(12, [0.3])])
    first = pruning_of(sweep).first_stop
    assert first is not None
    assert first.correlation is not None
    assert first.correlation.low < 0.5 <= first.correlation.high
    assert pruning_of(sweep).too_early is None
    finding = pruned_too_early(sweep)
    assert finding.verdict == "UNKNOWN"
    assert "Too few trials are complete" in finding.message


def test_without_a_pruned_trial_or_enough_complete_ones_too_early_is_unknown() -> None:
    assert pruning_of(sweep_of([line(k, 0.9 - k / 100) for k in range(20)])).too_early is None
    few = pruning_of(sweep_of([line(0, 0.9), curve(1, [0.3])]))
    assert few.too_early is None
    assert "Not enough data yet" in sentence(few)


def test_a_winner_ranked_low_at_a_rung_was_kept_because_it_came_early() -> None:
    late = line(0, 0.99, 0.1)
    others = [line(k, 0.9, 0.5 + k / 100) for k in range(1, 9)]
    numbers = pruning_of(sweep_of([late, *others]))
    assert numbers.best == 0
    first = numbers.epochs[0]
    assert (first.epoch, first.winner, first.reached, first.promoted) == (1, 9, 9, 3)
    assert first.percentile == 0.0
    assert first in numbers.winner_at_risk
    assert (
        "number 9 of 9 after epoch 1, where 3 of them would be promoted: it was kept because it came early"
        in sentence(numbers)
    )


@pytest.mark.parametrize("name", ["hyperband", "median", "none"])
def test_only_successive_halving_says_how_many_trials_are_promoted(name: str) -> None:
    sweep = make_sweep(plan={**PLAN, "pruner": {"name": name}})
    numbers = pruning_of(sweep)
    assert all(after.promoted is None for after in numbers.epochs)
    assert [after.epoch for after in numbers.epochs if after.rung] == (
        [1, 3, 9] if name == "hyperband" else []
    )
    assert not numbers.winner_at_risk
    assert numbers.first_stop is not None


def test_an_unknown_pruner_has_no_rungs() -> None:
    for table_ in ({"name": "new"}, "median", None):
        assert not any(after.rung for after in pruning_of(make_sweep(plan={**PLAN, "pruner": table_})).epochs)


def test_a_minimised_metric_ranks_its_winner_from_below() -> None:
    numbers = pruning_of(boosting_sweep())
    assert numbers.epochs[-1].winner == 1
    assert numbers.epochs[0].correlation is not None
    assert numbers.epochs[0].correlation.value == pytest.approx(1.0)


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 60))
def test_saved_and_trained_epochs_add_up_to_the_planned_ones(seed: int, trials: int) -> None:
    sweep = make_sweep(trials, seed=seed)
    own = [trial for trial in sweep.trials if trial.state in (State.COMPLETE, State.PRUNED)]
    numbers = pruning_of(replace(sweep, trials=tuple(own)))
    assert numbers.trained + numbers.saved == 10 * len(own)
    for after in numbers.epochs:
        assert 1 <= after.epoch <= 9
        assert after.winner is None or 1 <= after.winner <= after.reached
        assert after.percentile is None or 0 <= after.percentile <= 1


def test_the_table_has_the_drawn_epochs_and_the_drawing_has_few_traces() -> None:
    numbers = pruning_of(make_sweep(200))
    assert list(table(numbers)["after epoch"]) == [after.epoch for after in numbers.epochs]
    names = [trace.name for trace in draw(numbers).data if trace.name]
    assert names == ["correlation, 95 % interval", "best trial's percentile", "needed for promotion", "rung"]
    assert pruning(make_sweep(200)) == numbers


def test_a_search_of_single_epochs_has_nothing_to_prune() -> None:
    once = make_trial(
        0, recipe={"epochs": 1}, epochs=(Epoch(1, {"validation_accuracy": 0.9}, 1.0),), score=0.9
    )
    assert "single epoch" in str(pruning(sweep_of([once])))
    assert "No trial has finished an epoch" in str(pruning(sweep_of(())))


def test_an_audit_says_how_often_the_pruner_was_wrong() -> None:
    right = [line(number, 0.9 - number / 100) for number in range(6)]
    wrong = replace(line(6, 0.95), audited=3)
    numbers = pruning_of(sweep_of([*right, wrong, replace(line(7, 0.6), audited=2)]))
    assert [(audit.number, audit.epoch, audit.rank) for audit in numbers.audits] == [(6, 3, 1), (7, 2, 8)]
    assert numbers.wrong == numbers.audits[:1]
    assert "trial 6 would have been stopped after epoch 3 and became number 1" in sentence(numbers)
    assert "audited" not in sentence(pruning_of(sweep_of(right)))
    none = pruning_of(sweep_of([*right, replace(line(7, 0.6), audited=2)]))
    assert none.wrong == () and "none ended among" in sentence(none)
