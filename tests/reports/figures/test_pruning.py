"""Pruning: what it saved, and whether early scores predict the final ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sweeps import PLAN, boosting_sweep, make_repeat, make_sweep, make_trial, sweep_of

from reports.figures.pruning import Pruning, draw, pruning, sentence, table
from search.records.sweep import State, Sweep, Trial
from trainable.epoch import Epoch


def told(sweep: Sweep) -> Pruning:
    found = pruning(sweep)
    assert isinstance(found, Pruning)
    return found


def curve(number: int, values: list[float], seconds: float = 2.0, **changes: object) -> Trial:
    """A trial of ten epochs with these accuracies; PRUNED when there are fewer."""
    epochs = tuple(Epoch(k, {"validation_accuracy": v}, seconds) for k, v in enumerate(values, 1))
    state = State.COMPLETE if len(values) == 10 else State.PRUNED
    return make_trial(number, **{"state": state, "epochs": epochs, "score": values[-1], **changes})


def line(number: int, end: float, start: float = 0.5) -> Trial:
    return curve(number, [start + (end - start) * k / 9 for k in range(10)])


def test_each_saved_epoch_costs_what_its_own_trial_took_for_one() -> None:
    sweep = sweep_of([line(0, 0.9), curve(1, [0.5], 3.0), curve(2, [0.4] * 3, 1.0)])
    found = told(sweep)
    assert (found.pruned, found.planned, found.saved) == (2, 20, 9 + 7)
    assert found.seconds == 9 * 3.0 + 7 * 1.0
    assert found.trained == 14
    assert "saved 16 of the 20 epochs they would have trained, about 34 s or 57 %" in sentence(found)


def test_what_was_left_or_repeated_or_failed_was_not_saved_by_pruning() -> None:
    kept = [line(0, 0.9), curve(1, [0.5])]
    left = curve(2, [0.4], abandoned=True)
    failed = curve(3, [0.4], state=State.FAILED)
    found = told(sweep_of([*kept, left, failed, make_repeat(4, kept[1])]))
    assert (found.pruned, found.saved) == (1, 9)


def test_the_correlation_is_of_complete_trials_alone() -> None:
    random = np.random.default_rng(0)
    complete = [line(k, float(random.uniform(0.8, 0.9)), float(random.uniform(0.4, 0.6))) for k in range(20)]
    stopped = [curve(20 + k, [0.3]) for k in range(20)]
    found = told(sweep_of([*complete, *stopped]))
    first = found.looks[0]
    early = [trial.epochs[0].metrics["validation_accuracy"] for trial in complete]
    final = [trial.score for trial in complete]
    assert first.correlation is not None
    assert first.correlation.pairs == 20
    assert first.correlation.value == pytest.approx(float(stats.spearmanr(early, final).statistic))
    assert (first.reached, first.stopped) == (40, 20)
    assert found.first == first


def test_early_scores_that_predict_nothing_are_a_warning() -> None:
    turned = [line(k, 0.9 - k / 100, 0.5 + k / 100) for k in range(20)]
    found = told(sweep_of([*turned, curve(20, [0.3])]))
    assert found.too_early is True
    assert "hardly predict the final ranking (rank correlation -1.00" in sentence(found)
    steady = [line(k, 0.9 - k / 100, 0.6 - k / 100) for k in range(20)]
    found = told(sweep_of([*steady, curve(20, [0.3])]))
    assert found.too_early is False
    assert " predict the final ranking" in sentence(found)


def test_without_a_stop_or_enough_complete_trials_nothing_is_said_of_too_early() -> None:
    assert told(sweep_of([line(k, 0.9 - k / 100) for k in range(20)])).too_early is None
    few = told(sweep_of([line(0, 0.9), curve(1, [0.3])]))
    assert few.too_early is None
    assert "Not enough data yet" in sentence(few)


def test_a_winner_that_trailed_at_a_rung_was_kept_by_coming_early() -> None:
    late = line(0, 0.99, 0.1)
    others = [line(k, 0.9, 0.5 + k / 100) for k in range(1, 9)]
    found = told(sweep_of([late, *others]))
    assert found.best == 0
    first = found.looks[0]
    assert (first.epoch, first.winner, first.reached, first.places) == (1, 9, 9, 3)
    assert first.percentile == 0.0
    assert first in found.winner_at_risk
    assert "number 9 of 9 after epoch 1, where 3 would go on: it was kept because it came early" in sentence(
        found
    )


@pytest.mark.parametrize("name", ["hyperband", "median", "none"])
def test_only_a_single_halving_says_how_many_go_on(name: str) -> None:
    sweep = make_sweep(plan={**PLAN, "pruner": {"name": name}})
    found = told(sweep)
    assert all(look.places is None for look in found.looks)
    assert [look.epoch for look in found.looks if look.rung] == ([1, 3, 9] if name == "hyperband" else [])
    assert not found.winner_at_risk
    assert found.first is not None


def test_a_pruner_that_cannot_be_read_has_no_rungs() -> None:
    for table_ in ({"name": "new"}, "median", None):
        assert not any(look.rung for look in told(make_sweep(plan={**PLAN, "pruner": table_})).looks)


def test_a_minimised_metric_ranks_its_winner_from_below() -> None:
    found = told(boosting_sweep())
    assert found.looks[-1].winner == 1
    assert found.looks[0].correlation is not None
    assert found.looks[0].correlation.value == pytest.approx(1.0)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 60))
def test_saved_and_trained_epochs_are_all_that_complete_and_pruned_trials_would_take(
    seed: int, trials: int
) -> None:
    sweep = make_sweep(trials, seed=seed)
    own = [trial for trial in sweep.trials if trial.state in (State.COMPLETE, State.PRUNED)]
    found = told(replace(sweep, trials=tuple(own)))
    assert found.trained + found.saved == 10 * len(own)
    for look in found.looks:
        assert 1 <= look.epoch <= 9
        assert look.winner is None or 1 <= look.winner <= look.reached
        assert look.percentile is None or 0 <= look.percentile <= 1


def test_the_table_holds_what_is_drawn_and_a_few_traces_draw_it() -> None:
    found = told(make_sweep(200))
    assert list(table(found)["after epoch"]) == [look.epoch for look in found.looks]
    names = [trace.name for trace in draw(found).data if trace.name]
    assert names == ["correlation, 95 % interval", "best trial's percentile", "needed to go on", "rung"]
    assert pruning(make_sweep(200)) == found


def test_a_search_of_single_epochs_has_nothing_to_prune() -> None:
    once = make_trial(
        0, recipe={"epochs": 1}, epochs=(Epoch(1, {"validation_accuracy": 0.9}, 1.0),), score=0.9
    )
    assert "single epoch" in str(pruning(sweep_of([once])))
    assert "No trial has finished an epoch" in str(pruning(sweep_of(())))
