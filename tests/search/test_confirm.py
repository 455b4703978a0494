"""A search's best trials, trained again with fresh seeds, and then tried on the test set."""

from __future__ import annotations

from pathlib import Path

import pytest
from searches import LOCAL, NOWHERE, plan, search

from search.confirm import NothingToConfirm, confirming
from search.engine.events import Ended, Started, TrialEnded, TrialStarted
from search.final_model import CannotRetrain, FinalModel, train_final_model
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import State, Sweep
from search.study.confirmation import Entry
from search.test_set import finalists, kept_finalist, open_test_set, record_look
from trainable.evaluation.evaluation import Evaluation
from trainable.mnist.saved import SavedModel

CONFIRMATION = {"candidates": 2, "seeds": 3, "confidence": 0.95}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A search of six trials whose confirmation was stopped after two trainings, and continued."""
    folder = RunFolder.named("small", tmp_path_factory.mktemp("runs"))
    search(folder, plan(confirmation=CONFIRMATION))
    with confirming(folder, NOWHERE, LOCAL) as race:
        ended = 0
        for event in race:
            ended += isinstance(event, TrialEnded)
            if ended == 2:
                race.stop()
    interrupted = Sweep.read(folder.path).confirmation
    assert interrupted is not None
    assert not interrupted.decided
    with confirming(folder, NOWHERE, LOCAL) as race:
        list(race)
    return folder


def test_an_interrupted_confirmation_goes_on_and_trains_no_seed_twice(run: RunFolder) -> None:
    confirmation = Sweep.read(run.path).confirmation
    assert confirmation is not None
    assert confirmation.decided
    assert len(confirmation.environments) == 2
    for candidate in confirmation.candidates:
        seeds = [rerun.recipe["seed"] for rerun in candidate.reruns]
        assert seeds == [1, 2, 3]  # the search's own trials all had seed 0
        assert all(rerun.state is State.COMPLETE for rerun in candidate.reruns)
        assert all(rerun.weights_sha256 for rerun in candidate.reruns)


def test_the_candidates_are_the_best_trials_and_the_plans_default_recipe(run: RunFolder) -> None:
    sweep = Sweep.read(run.path)
    assert sweep.confirmation is not None
    best = [trial.number for trial in sweep.ranked() if trial.state is State.COMPLETE][:2]
    assert {each.trial for each in sweep.confirmation.candidates} == {*best, None}
    for candidate in sweep.confirmation.candidates:
        if candidate.trial is not None:
            assert candidate.selected_on == sweep.trials[candidate.trial].score


def test_once_it_is_over_nothing_is_trained_again(run: RunFolder) -> None:
    with confirming(run, NOWHERE, LOCAL) as race:
        events = list(race)
    assert [type(event) for event in events] == [Ended]


def test_more_seeds_train_only_what_is_new(run: RunFolder) -> None:
    with confirming(run, NOWHERE, LOCAL, seeds=4) as race:
        events = list(race)
    trained = [event.sampled["seed"] for event in events if isinstance(event, TrialStarted)]
    assert set(trained) <= {4}
    assert any(isinstance(event, Started) for event in events) == bool(trained)


def test_the_test_set_is_opened_once_for_finalists_and_the_opening_is_on_record(run: RunFolder) -> None:
    assert Sweep.read(run.path).openings == ()
    with owning(run.lock):
        first, second = open_test_set(run, NOWHERE), open_test_set(run, NOWHERE)
    sweep = Sweep.read(run.path)
    assert first is not None
    assert second is not None
    assert len(sweep.openings) == 1
    assert second.time == first.time
    assert sweep.confirmation is not None
    wanted = {
        (each.trial, rerun.recipe["seed"]) for each in sweep.confirmation.finalists for rerun in each.complete
    }
    assert {(look.trial, look.seed) for look in first.looks} == wanted
    assert first.models == len(wanted)
    assert first.overlap == 0
    hashes = {
        (each.trial, rerun.recipe["seed"]): rerun.weights_sha256
        for each in sweep.confirmation.finalists
        for rerun in each.complete
    }
    assert {(look.trial, look.seed): look.weights_sha256 for look in first.looks} == hashes
    assert (run.path / "model.safetensors").is_file()
    chosen = kept_finalist(sweep, finalists(sweep))
    keeping = {(look.trial, look.seed) for look in first.looks if look.evaluation.mistakes is not None}
    assert keeping == {(chosen.trial, chosen.seed)}
    assert sweep.openings[0].to_json() == first.to_json()


def test_a_run_without_a_complete_trial_has_nothing_to_confirm(tmp_path: Path) -> None:
    folder = RunFolder.named("none", tmp_path)
    search(folder, plan(name="none", recipe={"epochs": 3, "learning_rate": 100.0, "optimizer": "sgd"},
                        space={"weight_decay": {"choices": [0.9, 0.8]}}, budget={"trials": 2}))  # fmt: skip
    with pytest.raises(NothingToConfirm, match="resume"), confirming(folder, NOWHERE, LOCAL):
        pass


def test_a_plan_without_a_confirmation_is_confirmed_with_the_default_number_of_candidates(
    tmp_path: Path,
) -> None:
    folder = RunFolder.named("none", tmp_path)
    search(folder, plan(budget={"trials": 2}, pruner={"name": "none"}, confirmation={"candidates": 0}))
    with confirming(folder, NOWHERE, LOCAL, seeds=1) as race:
        list(race)
    confirmation = Sweep.read(folder.path).confirmation
    assert confirmation is not None
    assert {candidate.trial for candidate in confirmation.candidates} == {0, 1, None}


def test_fresh_seeds_follow_the_highest_that_the_search_used(run: RunFolder) -> None:
    sweep = Sweep.read(run.path)
    entry = Entry.of(sweep, plan(confirmation={"candidates": 1, "seeds": 2}))
    assert entry is not None
    assert entry.seeds == (1, 2)


def test_a_look_by_hand_is_on_record_before_it_happens(run: RunFolder) -> None:
    before = len(Sweep.read(run.path).openings)

    def look() -> Evaluation:
        assert len(Sweep.read(run.path).openings) == before + 1
        return Evaluation({"accuracy": 0.5}, 2)

    with owning(run.lock):
        assert record_look(run, "by hand", look).count == 2
    assert Sweep.read(run.path).openings[-1].reason == "by hand"


def test_a_final_model_is_trained_on_the_validation_images_too_and_its_look_recorded(run: RunFolder) -> None:
    with owning(run.lock):
        open_test_set(run, NOWHERE)
        before = Sweep.read(run.path)
        told = list(train_final_model(run, NOWHERE))
    final, sweep = told[-1], Sweep.read(run.path)
    assert isinstance(final, FinalModel)
    winner = kept_finalist(sweep, finalists(sweep))
    assert len(told) == 1 + winner.trained.recipe["epochs"]
    # The same recipe and seed on more images: another model than the run's own, which stays.
    saved = [SavedModel.read(folder).weights_sha256 for folder in (run.final, run.path)]
    assert saved[0] != saved[1] == winner.trained.weights_sha256
    assert [each.reason for each in sweep.openings[:-1]] == [each.reason for each in before.openings]
    assert "validation images too" in sweep.openings[-1].reason
    assert not sweep.openings[-1].looks


def test_a_final_model_needs_a_winner(tmp_path: Path) -> None:
    folder = RunFolder.named("begun", tmp_path)
    folder.path.mkdir()
    folder.plan.write_text(plan().to_toml())
    with pytest.raises(CannotRetrain, match=r"needs a winner, but .* has none yet"):
        list(train_final_model(folder, NOWHERE))
