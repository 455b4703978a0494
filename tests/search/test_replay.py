"""A run's curves, played under another pruner or in the order of another sampler."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import LOCAL, formula_plan, search
from sweeps import PLAN, make_trial, sweep_of

from benchsweep.actions.replay import replay_run
from search.plan.plan import PlanError
from search.plan.pruner import Forecast, Hyperband, Median, NoPruner, Pruner, SuccessiveHalving
from search.plan.sampler import Auto, Random, Tpe
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep, Trial
from search.replay import replay
from trainable.epoch import Epoch

TABLE = {**PLAN, "space": {"dropout": {"low": 0.0, "high": 1.0}}}


def _trial(number: int, level: float, epochs: int = 10, **changes: Any) -> Trial:
    """A trial of up to ten epochs, complete if it has all."""
    values = [level - 0.3 * 0.6**epoch for epoch in range(1, epochs + 1)]
    return make_trial(
        number,
        **{
            "recipe": {"epochs": 10, "seed": 0, "dropout": level},
            "sampled": {"dropout": level},
            "epochs": tuple(Epoch(k, {"validation_accuracy": v}, 1.0) for k, v in enumerate(values, 1)),
            "score": values[-1] if values else None,
            "state": State.COMPLETE if epochs == 10 else State.PRUNED,
            **changes,
        },
    )


def _sweep(*trials: Trial) -> Sweep:
    return sweep_of(trials, plan=TABLE)


def test_without_a_pruner_every_epoch_is_played_and_nothing_is_saved() -> None:
    played = replay(_sweep(_trial(0, 0.5), _trial(1, 0.9), _trial(2, 0.7)), NoPruner())
    assert (played.recorded, played.epochs) == (30, 30)
    assert (played.stopped, played.beyond, played.complete) == ([], [], [0, 1, 2])
    assert (played.best, played.best_on_record) == (1, 1)
    assert played.epochs_until_best == played.recorded_until_best == 20


def test_a_pruner_saves_what_it_would_have_stopped_and_may_lose_the_best() -> None:
    poor = [_trial(number, level) for number, level in enumerate((0.8, 0.81, 0.82, 0.3, 0.2))]
    median = Median(n_startup_trials=3)
    played = replay(_sweep(*poor), median)
    assert played.stopped == [3, 4] and played.epochs == 30 + 2
    late = [*[0.1] * 9, 0.95]
    epochs = tuple(Epoch(k, {"validation_accuracy": value}, 1.0) for k, value in enumerate(late, 1))
    lost = replay(_sweep(*poor, replace(_trial(5, 0.95), epochs=epochs, score=0.95)), median)
    assert lost.best_on_record == 5 and not lost.keeps_best and lost.best == 2


def test_what_would_have_gone_on_beyond_its_record_is_named() -> None:
    played = replay(_sweep(_trial(0, 0.8), _trial(1, 0.9, epochs=4)), NoPruner())
    assert played.beyond == [1] and played.complete == [0]


def test_trials_that_failed_or_that_the_space_no_longer_has_do_not_stop_it() -> None:
    failed = _trial(1, 0.5, epochs=0, state=State.FAILED, error="x")
    diverged = _trial(2, 0.6, epochs=3, state=State.DIVERGED, error="nan")
    played = replay(_sweep(_trial(0, 0.8), failed, diverged, _trial(3, 7.0)), Median(n_startup_trials=1))
    assert played.left_out == 1 and played.complete == [0]


@settings(max_examples=15, deadline=None)
@given(
    levels=st.lists(st.floats(0.1, 1.0), min_size=1, max_size=12, unique=True),
    lengths=st.lists(st.integers(1, 10), min_size=12, max_size=12),
    pruner=st.sampled_from(
        [NoPruner(), Median(), SuccessiveHalving(), Hyperband(), Forecast(n_startup_trials=1)]
    ),
)
def test_every_trial_is_played_once_and_no_epoch_more_than_recorded(
    levels: list[float], lengths: list[int], pruner: Pruner
) -> None:
    trials = [_trial(at, level, lengths[at]) for at, level in enumerate(levels)]
    sweep = _sweep(*trials)
    played = replay(sweep, pruner)
    assert played.epochs <= played.recorded == sum(len(trial.epochs) for trial in trials)
    assert not set(played.stopped) & {*played.beyond, *played.complete}
    assert played == replay(sweep, pruner)
    if not played.stopped:
        assert played.epochs == played.recorded


@pytest.mark.parametrize("sampler", [Auto(n_startup_trials=3), Random(), Tpe(n_startup_trials=3)])
def test_another_sampler_changes_the_order_and_nothing_else(sampler: Any) -> None:
    trials = [_trial(number, 0.1 + number / 20) for number in range(16)]
    played = replay(_sweep(*trials), NoPruner(), sampler)
    assert sorted(played.complete) == list(range(16)) and played.complete != list(range(16))
    assert played.epochs == 160 and played.best == 15
    if isinstance(sampler, Auto):
        assert played.complete.index(15) < 9


def test_the_command_says_what_would_have_been_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder.named("small", tmp_path)
    search(run, formula_plan(budget={"trials": 6}, recipe={"epochs": 4}), LOCAL)
    replay_run("small", '{name="median", n_startup_trials=1}', None, tmp_path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["recorded"] == 24 and told["epochs"] < 24
    assert told["keeps_best"] == (told["epochs_until_best"] is not None)
    replay_run("small", None, "random", tmp_path, json=False)
    assert "24 of 24 recorded epochs" in capsys.readouterr().out
    with pytest.raises(PlanError, match="did you mean median"):
        replay_run("small", "medain", "tpee", tmp_path, json=False)
