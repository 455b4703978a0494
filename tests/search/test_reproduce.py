"""A recorded training done again is the same to the bit, or what differs is told apart and named."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE
from sweeps import placed_sweep

from benchsweep.errors import UsageError
from benchsweep.report_record import read_report
from reports.analysis.benchmarks import read_benchmarks
from reports.page.report import write
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.reproduce import (
    CannotReproduce,
    Changes,
    RecordedTraining,
    Reproduction,
    recorded_reruns,
    recorded_trial,
    reproduce,
)
from search.start import plan_of, starting
from trainable.epoch import Epoch


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A parallel search of three trials, of which one diverges at once."""
    folder = RunFolder.named("again", tmp_path_factory.mktemp("runs"))
    plan = Plan.parse(
        {
            "name": "again",
            "data": {"dataset": "digits"},
            "recipe": {"batch_size": 100, "epochs": 3, "optimizer": "sgd", "weight_decay": 0.9},
            "space": {"learning_rate": {"choices": [1e-3, 1e-2, 100.0]}},
            "sampler": {"name": "grid"},
        },
        "test",
    )
    with starting(folder, plan, NOWHERE, LOCAL) as search:
        list(search)
    return Sweep.read(folder.path)


@pytest.fixture
def best(sweep: Sweep) -> RecordedTraining:
    found = sweep.best()
    assert found is not None
    return recorded_trial(sweep, found.number)


def again(sweep: Sweep, recorded: RecordedTraining, **changes: Any) -> Reproduction:
    *_, found = reproduce(plan_of(sweep), recorded, NOWHERE, Changes(**changes))
    assert isinstance(found, Reproduction)
    return found


def test_a_complete_trial_of_a_parallel_search_is_reproduced_to_the_bit(
    sweep: Sweep, best: RecordedTraining
) -> None:
    found = again(sweep, best)
    assert (found.outcome, found.epochs, found.weights_compared) == ("exact", 3, True)
    assert found.conditions == found.faults == ()


def test_the_weights_hash_was_recorded_by_the_worker_and_needs_no_checkpoint(
    sweep: Sweep, best: RecordedTraining
) -> None:
    assert best.weights_sha256 is not None
    assert again(sweep, replace(best, checkpoint=None)).weights_compared


def test_a_figure_that_is_not_the_recorded_one_is_named(sweep: Sweep, best: RecordedTraining) -> None:
    second = best.epochs[1]
    bent = Epoch(2, {**second.metrics, "train_loss": second.metrics["train_loss"] + 1e-9}, second.seconds)
    found = again(sweep, replace(best, epochs=(best.epochs[0], bent, best.epochs[2])))
    assert found.outcome == "different"
    assert [each.split(" was ")[0] for each in found.differences] == ["epoch 2: train_loss"]
    assert "belong to another training" in found.faults[0]


def test_a_flipped_bit_in_the_weights_hash_is_told_from_another_training(
    sweep: Sweep, best: RecordedTraining
) -> None:
    assert best.weights_sha256 is not None
    flipped = f"{int(best.weights_sha256, 16) ^ 1:064x}"
    found = again(sweep, replace(best, weights_sha256=flipped))
    assert found.outcome == "different"
    assert len(found.differences) == 1
    assert "every metric is the same to the bit" in found.faults[0]


def test_a_seed_changed_on_record_is_seen_by_the_recipes_own_hash(
    sweep: Sweep, best: RecordedTraining
) -> None:
    found = again(sweep, replace(best, recipe={**best.recipe, "seed": 7}))
    assert found.outcome == "different"
    assert "the recipe on record (seed 7) is not the one that was trained" in found.faults[0]


def test_another_seed_asked_for_is_a_condition_and_its_score_may_be_close(
    sweep: Sweep, best: RecordedTraining
) -> None:
    found = again(sweep, best, seed=7, tolerance=1.0)
    assert found.outcome == "close"
    assert found.conditions == ("seed was 0, now 7",)


def test_another_thread_count_is_a_condition_by_its_name(sweep: Sweep, best: RecordedTraining) -> None:
    found = again(sweep, best, threads=2)
    assert found.conditions == ("threads was 1, now 2",)
    assert found.outcome in ("exact", "close")


def test_a_device_that_is_not_there_is_refused_with_the_way_out(sweep: Sweep, best: RecordedTraining) -> None:
    with pytest.raises(CannotReproduce, match="--device"):
        again(sweep, best, device="mps")


def test_a_trial_without_an_epoch_cannot_be_reproduced(sweep: Sweep) -> None:
    diverged = next(trial for trial in sweep.trials if trial.state is State.DIVERGED)
    with pytest.raises(CannotReproduce, match="has none"):
        recorded_trial(sweep, diverged.number)


def test_a_trial_whose_start_is_not_on_record_is_refused_in_a_sentence(
    sweep: Sweep, best: RecordedTraining
) -> None:
    found = sweep.best()
    assert found is not None
    with pytest.raises(CannotReproduce, match="but start 0 is not"):
        recorded_trial(replace(sweep, sessions=()), found.number)


def test_reruns_that_were_never_made_are_not_invented(sweep: Sweep) -> None:
    with pytest.raises(CannotReproduce, match="has no confirmation"):
        recorded_reruns(sweep, 0, 2)


@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_a_report_alone_is_enough_to_train_its_best_trial_again(
    sweep: Sweep, best: RecordedTraining, tmp_path: Path, name: str
) -> None:
    write(sweep, read_benchmarks(), tmp_path)
    told = read_report(tmp_path / name)
    found = told.best()
    assert found is not None
    recorded = recorded_trial(told, found.number)
    assert (recorded.recipe, recorded.weights_sha256) == (best.recipe, best.weights_sha256)
    assert again(told, recorded).outcome == "exact"


def test_a_report_holds_its_trials_whole(tmp_path: Path) -> None:
    searched = placed_sweep(12)
    write(searched, read_benchmarks(), tmp_path)
    assert read_report(tmp_path / "results.json").trials == searched.trials


def test_a_file_that_is_no_report_is_refused_by_its_name(tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    for content in ("<html></html>", "{}", "[1]", "[" * 5000 + "]" * 5000, '{"a": ' + "9" * 400 + "}"):
        other.write_text(content)
        with pytest.raises(UsageError, match=r"other\.html"):
            read_report(other)
    with pytest.raises(UsageError, match="No such file"):
        read_report(tmp_path / "gone.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UsageError, match=r"pipe\.json"):  # and not opened, which would block
        read_report(tmp_path / "pipe.json")
