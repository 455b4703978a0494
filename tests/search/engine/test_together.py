"""Several trials trained at once in one worker are those that are trained one after the other."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, formula_plan, plan, search

from search.cluster.access import THIS_MACHINE
from search.engine.events import EpochReported, TrialEnded
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import starting
from search.together import NotTogether
from trainable.storage.epochs import EpochLog


def given(name: str, together: int, **changes: Any) -> Plan:
    """Twelve random trials of up to four epochs, of two groups."""
    table = {
        "name": name,
        "budget": {"trials": 12},
        "recipe": {"batch_size": 100, "epochs": 4, "dropout": 0.1},
        "space": {
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "hidden_sizes": {"choices": [[16], [24, 8]]},
        },
        "sampler": {"name": "random"},
        "pruner": {"name": "none"},
        "resources": {"together": together},
    }
    return plan(**{**table, **changes})


def trained(run: RunFolder) -> list[tuple[Any, ...]]:
    """What each trial came to."""
    return [
        (trial.number, trial.state, dict(trial.sampled), [epoch.metrics for epoch in trial.epochs])
        for trial in Sweep.read(run.path).trials
    ]


def weights(run: RunFolder) -> list[str | None]:
    return [trial.weights_sha256 for trial in Sweep.read(run.path).trials]


def test_a_search_of_five_at_once_comes_to_the_weights_of_one_after_the_other(tmp_path: Path) -> None:
    runs = [RunFolder.named(f"of{together}", tmp_path) for together in (1, 5)]
    for run, together in zip(runs, (1, 5), strict=True):
        search(run, given(run.name, together), LOCAL)
    assert trained(runs[0]) == trained(runs[1])
    assert all(weights(runs[0]))
    assert weights(runs[0]) == weights(runs[1])


def test_trials_that_are_pruned_leave_and_others_join(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    changes = {"pruner": {"name": "successive_halving", "reduction_factor": 2, "min_resource": 1}}
    events = search(run, given("small", 4, **changes), LOCAL)
    sweep = Sweep.read(run.path)
    assert {trial.state for trial in sweep.trials} == {State.COMPLETE, State.PRUNED}
    reported = [(event.number, event.epoch.number) for event in events if isinstance(event, EpochReported)]
    assert len(reported) == len(set(reported)) == sum(len(trial.epochs) for trial in sweep.trials)
    running: set[int] = set()
    most = 0
    for event in events:
        if isinstance(event, EpochReported):
            running.add(event.number)
        if isinstance(event, TrialEnded):
            running.discard(event.number)
        most = max(most, len(running))
    assert most == 4


def test_a_stopped_search_is_resumed_without_losing_or_repeating_an_epoch(tmp_path: Path) -> None:
    whole, parts = RunFolder.named("whole", tmp_path), RunFolder.named("parts", tmp_path)
    search(whole, given("whole", 4), LOCAL)
    reported: list[tuple[int, int]] = []
    for limit in (7, 12, None):
        with starting(parts, given("parts", 4), NOWHERE, LOCAL) as events:
            for event in events:
                if isinstance(event, EpochReported):
                    reported.append((event.number, event.epoch.number))
                    if limit is not None and len(reported) >= limit:
                        events.stop()
    assert len(reported) == len(set(reported)) == 48
    assert trained(parts) == trained(whole)
    assert weights(parts) == weights(whole)


@pytest.mark.slow
def test_killed_at_random_it_loses_nothing_and_repeats_nothing_on_record(tmp_path: Path) -> None:
    whole, run = RunFolder.named("whole", tmp_path), RunFolder.named("killed", tmp_path)
    search(whole, given("whole", 4), LOCAL)
    (tmp_path / "plan.toml").write_text(given("killed", 4).to_toml())
    words = [sys.executable, "-m", "benchsweep", "run", str(tmp_path / "plan.toml"), "--local", "--quiet"]
    words += ["--runs", str(tmp_path)]
    randomly = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(words, start_new_session=True)
        until = time.monotonic() + 60
        while (
            time.monotonic() < until
            and process.poll() is None
            and not list(run.path.glob("trials/*/*.jsonl"))
        ):
            time.sleep(0.1)
        time.sleep(randomly.uniform(0.1, 1.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    search(run, given("killed", 4), LOCAL)
    assert trained(run) == trained(whole)
    assert weights(run) == weights(whole)
    for number in range(12):
        epochs = [epoch.number for epoch in EpochLog(run.trial(number).path).read()]
        assert epochs == [1, 2, 3, 4]


def test_a_trainable_without_a_population_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotTogether, match="failing has none"):
        search(RunFolder.named("small", tmp_path), formula_plan(resources={"together": 2}), LOCAL)
    assert not RunFolder.named("small", tmp_path).path.exists()


def test_it_is_refused_where_ray_trains(tmp_path: Path) -> None:
    with pytest.raises(NotTogether, match="in its own process"):
        search(RunFolder.named("small", tmp_path), given("small", 2), THIS_MACHINE)
