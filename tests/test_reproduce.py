"""A recorded trial trained again is the same to the bit, or what differs is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.folder import RunFolder
from search.plan import Plan
from search.records import State, Sweep
from search.reproduce import CannotReproduce, Reproduction, reproduce
from search.start import starting

NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
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
    with starting(folder, plan, NOWHERE) as search:
        list(search)
    return folder


def last(run: RunFolder, number: int) -> Reproduction:
    *_, found = reproduce(run, number, NOWHERE)
    assert isinstance(found, Reproduction)
    return found


def test_a_complete_trial_of_a_parallel_search_is_reproduced_to_the_bit(run: RunFolder) -> None:
    best = Sweep.read(run.path).best()
    assert best is not None
    found = last(run, best.number)
    assert found.exact
    assert found.weights_compared
    assert found.epochs == 3


def test_a_figure_that_is_not_the_recorded_one_is_named(run: RunFolder) -> None:
    best = Sweep.read(run.path).best()
    assert best is not None
    path = run.trial(best.number).epochs
    kept = path.read_text()
    lines = [json.loads(line) for line in kept.splitlines()]
    lines[1]["metrics"]["train_loss"] += 1e-9
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    try:
        found = last(run, best.number)
    finally:
        path.write_text(kept)
    assert not found.exact
    assert len(found.differences) == 1
    assert found.differences[0].startswith("epoch 2: train_loss was ")


def test_a_trial_without_an_epoch_cannot_be_reproduced(run: RunFolder) -> None:
    diverged = next(trial for trial in Sweep.read(run.path).trials if trial.state is State.DIVERGED)
    with pytest.raises(CannotReproduce, match="has none"):
        list(reproduce(run, diverged.number, NOWHERE))
