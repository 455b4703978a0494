"""`take = "best"`: a training's score and its model are those of its best epoch, wherever one is used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import overshooting
import pytest
from hypothesis import given
from hypothesis import strategies as st
from searches import LOCAL, NOWHERE, search

from search.confirm import confirming
from search.doctor.run_files import inspect
from search.engine.events import EpochReported
from search.final_model import FinalModel, train_final_model
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import State, Sweep
from search.records.warm_start import CannotWarmStart, WarmStart
from search.repeat import Repetition, repeat
from search.reproduce import Reproduction, recorded_reruns, recorded_trial, reproduce
from search.start import plan_of, starting
from search.test_set import NoModel, open_test_set
from trainable.contract import InvalidMetric, Metric
from trainable.epoch import Epoch

TABLE: dict[str, Any] = {
    "name": "peaks",
    "trainable": "overshooting",
    "metric": {"take": "best"},
    "recipe": {"epochs": 10},
    "space": {"rate": {"choices": [0.05, 0.1, 0.15]}},
    "sampler": {"name": "grid"},
    "pruner": {"name": "none"},
    "confirmation": {"candidates": 2, "seeds": 2},
}


def plan(**changes: Any) -> Plan:
    return Plan.parse({**TABLE, **changes}, "test")


def weights(rate: float, epoch: int, seed: int = 0) -> float:
    """The trainable's weight after an epoch."""
    recipe = overshooting.Recipe(rate=rate, seed=seed, epochs=10)
    training = overshooting.Training(recipe, overshooting.Data(3.5, 1.5), "cpu", 1)
    for done in training:
        if done.number == epoch:
            break
    return float(training.weight[0])


def best_epoch(rate: float, seed: int = 0) -> int:
    losses = [abs(1.5 - weights(rate, epoch, seed)) for epoch in range(1, 11)]
    return 1 + losses.index(min(losses))


def sha256(weight: float) -> str:
    return hashlib.sha256(np.full(1, weight).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A confirmed run whose test set was opened."""
    run = RunFolder.named("peaks", tmp_path_factory.mktemp("runs"))
    search(run, plan())
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    with owning(run.lock):
        open_test_set(run, NOWHERE)
    return run


def test_a_trials_score_and_weights_are_those_of_its_best_epoch(confirmed: RunFolder) -> None:
    sweep = Sweep.read(confirmed.path)
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 3
    assert {best_epoch(trial.recipe["rate"]) for trial in sweep.trials} == {3, 5, 10}
    for trial in sweep.trials:
        rate, epoch = trial.recipe["rate"], best_epoch(trial.recipe["rate"])
        assert len(trial.epochs) == 10
        assert trial.score == trial.epochs[epoch - 1].metrics["loss"] == abs(1.5 - weights(rate, epoch))
        assert trial.weights_sha256 == sha256(weights(rate, epoch))
    assert sweep.metric.take == "best"


def test_the_model_of_the_best_epoch_is_confirmed_evaluated_and_saved(confirmed: RunFolder) -> None:
    sweep = Sweep.read(confirmed.path)
    assert sweep.confirmation is not None and sweep.confirmation.winner is not None
    (opening,) = sweep.openings
    for look in opening.looks:
        rate = 0.1 if look.trial is None else sweep.trials[look.trial].recipe["rate"]
        weight = weights(rate, best_epoch(rate, look.seed), look.seed)
        assert look.weights_sha256 == sha256(weight)
        assert look.evaluation.metrics["loss"] == abs(1.4 - weight)
    saved = float((confirmed.path / "weight.txt").read_text())
    assert sha256(saved) in {look.weights_sha256 for look in opening.looks}
    assert all(finding.verdict != "FAIL" for finding in inspect(confirmed))


def test_a_trial_and_a_rerun_are_reproduced_to_the_bit(confirmed: RunFolder) -> None:
    sweep = Sweep.read(confirmed.path)
    winner = sweep.best()
    assert winner is not None
    for recorded in (recorded_trial(sweep, 0), *recorded_reruns(sweep, winner.number, 2)):
        *_, end = reproduce(plan_of(sweep), recorded, NOWHERE)
        assert isinstance(end, Reproduction)
        assert (end.outcome, end.weights_compared, end.score) == ("exact", True, end.recorded)


def test_an_interrupted_trial_keeps_the_model_of_its_best_epoch(tmp_path: Path) -> None:
    """Left after each of its ten epochs in turn, which come before, at and after the best one."""
    run = RunFolder.named("cut", tmp_path)
    given = plan(name="cut", space={"rate": {"choices": [0.1]}}, confirmation={"candidates": 0})
    for epoch in range(1, 11):
        with starting(run, given, NOWHERE, LOCAL) as started:
            _until(started, epoch)
    search(run, given)
    (trial,) = Sweep.read(run.path).trials
    assert trial.state is State.COMPLETE and trial.resumed_from == tuple(range(1, 10))
    assert trial.weights_sha256 == sha256(weights(0.1, 5))
    with owning(run.lock):
        opening = open_test_set(run, NOWHERE)
    assert opening is not None and opening.looks[0].weights_sha256 == trial.weights_sha256


def _until(events: Iterator[Any], epoch: int) -> None:
    for event in events:
        if isinstance(event, EpochReported) and event.epoch.number == epoch:
            return


def test_a_lost_model_of_the_best_epoch_is_named_before_the_test_set_is_opened(tmp_path: Path) -> None:
    run = RunFolder.named("lost", tmp_path)
    search(run, plan(name="lost", confirmation={"candidates": 0}))
    best = Sweep.read(run.path).best()
    assert best is not None
    for path in run.trial(best.number).path.glob("best*"):
        path.unlink()
    assert any(f"trial {best.number} is the best, but its model" in f.message for f in inspect(run))
    with owning(run.lock), pytest.raises(NoModel, match=r"best\.safetensors"):
        open_test_set(run, NOWHERE)
    assert Sweep.read(run.path).openings == ()


def test_a_stopped_trial_leaves_no_checkpoint(tmp_path: Path) -> None:
    run = RunFolder.named("stopped", tmp_path)
    pruner = {"name": "median", "n_startup_trials": 1, "n_warmup_steps": 1}
    search(run, plan(name="stopped", pruner=pruner, confirmation={"candidates": 0}))
    pruned = [trial for trial in Sweep.read(run.path).trials if trial.state is State.PRUNED]
    assert pruned
    for trial in pruned:
        assert not list(run.trial(trial.number).path.glob("*.safetensors"))


def test_training_the_plan_alone_evaluates_the_best_epoch(tmp_path: Path) -> None:
    *_, end = repeat(plan(space={}, recipe={"rate": 0.1, "epochs": 10}, sampler={}), 1, NOWHERE)
    assert isinstance(end, Repetition)
    assert (end.score_epoch.number, len(end.epochs)) == (5, 10)
    assert end.metrics["loss"] == abs(1.4 - weights(0.1, 5))


def test_the_final_model_is_trained_for_as_many_epochs_as_the_best_one_was(confirmed: RunFolder) -> None:
    with owning(confirmed.lock):
        *epochs, model = train_final_model(confirmed, NOWHERE)
    assert isinstance(model, FinalModel)
    winner = Sweep.read(confirmed.path).best()
    rate = 0.1 if winner is None else winner.recipe["rate"]
    assert len(epochs) in {best_epoch(rate, seed) for seed in range(1, 4)} and len(epochs) < 10


def test_the_plan_may_change_nothing_else_of_a_modules_metric() -> None:
    assert plan(metric={"take": "last"}).metric is None
    assert plan().objective == Metric("loss", "minimize", take="best")
    assert Plan.parse(plan().to_table(), "again").to_table() == plan().to_table()
    with pytest.raises(PlanError, match=r"\[metric\] name: .*as in METRIC of overshooting"):
        plan(metric={"name": "accuracy", "take": "best"})
    with pytest.raises(PlanError, match=r"\[metric\] take"):
        plan(metric={"take": "worst"})
    with pytest.raises(InvalidMetric, match="take must be last or best"):
        Metric("loss", "minimize", take="worst")  # type: ignore[arg-type]


def test_scores_of_best_and_of_last_epochs_are_not_compared_in_a_warm_start(confirmed: RunFolder) -> None:
    with pytest.raises(CannotWarmStart, match="of the best epoch"):
        WarmStart.of(Sweep.read(confirmed.path), plan(metric={"take": "last"}))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.sampled_from(["maximize", "minimize"]))
def test_the_score_after_each_epoch_is_the_best_so_far(values: list[float], direction: Any) -> None:
    metric = Metric("m", direction, take="best")
    epochs = [Epoch(number, {"m": value}, 0.0) for number, value in enumerate(values, start=1)]
    for count, score in enumerate(metric.scores(epochs), start=1):
        assert score == metric.best(values[:count]) == metric.taken(epochs[:count]).metrics["m"]
        assert all(epoch.metrics["m"] != score for epoch in epochs[: metric.taken(epochs[:count]).number - 1])
    assert Metric("m", direction).scores(epochs) == values
