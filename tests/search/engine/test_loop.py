"""Whole searches on a real Ray, small enough for a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import ray
from searches import LOCAL, NOWHERE, journal_of, plan, search

from search.cluster.access import THIS_MACHINE, Site
from search.engine.events import Ended, EpochReported, Event, Started, TrialEnded, TrialStarted
from search.engine.first_failures import EveryTrialFailed
from search.engine.processes import descendants
from search.engine.ray_tune.connection import InsufficientResources
from search.plan.plan import Plan
from search.records.folder import NotARun, RunFolder
from search.records.journal import JournalDamaged
from search.records.lock import RunOwned, owning
from search.records.sweep import RunDamaged, State, Sweep
from search.start import PlanDiffers, starting
from search.test_set import open_test_set

GIVEN = plan(resources={"concurrency": 2})


class Observed(NamedTuple):
    """A search of six trials on Ray, run to its end, and what was seen of its processes meanwhile."""

    run: RunFolder
    events: list[Event]
    """All that it told."""
    listening: dict[int, list[str]]
    """Process id -> addresses on which it listened, of this process and all that it started."""


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    made = Observed(RunFolder.named("small", tmp_path_factory.mktemp("runs")), [], {})
    with starting(made.run, GIVEN, NOWHERE) as started:
        for event in started:
            made.events.append(event)
            if isinstance(event, EpochReported):
                made.listening.update(_listening([os.getpid(), *descendants(os.getpid())]))
    return made


@pytest.fixture(scope="module", params=["local", pytest.param("on Ray", marks=pytest.mark.slow)])
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, list[Event]]:
    """A search of six trials, run to its end."""
    if request.param == "on Ray":
        seen = request.getfixturevalue("observed")
        return seen.run, seen.events
    run = RunFolder.named("small", tmp_path_factory.mktemp("runs"))
    return run, search(run, GIVEN)


@pytest.fixture
def sweep(finished: tuple[RunFolder, list[Event]]) -> Sweep:
    return Sweep.read(finished[0].path)


def test_every_trial_of_the_budget_is_run_once_and_has_an_end(sweep: Sweep) -> None:
    assert [trial.number for trial in sweep.trials] == list(range(6))
    assert {trial.state for trial in sweep.trials} <= {State.COMPLETE, State.PRUNED}
    assert sweep.count(State.COMPLETE) >= 1
    assert sweep.sessions[-1].ended == "budget"
    assert not sweep.alive


def test_the_stream_tells_what_the_record_holds(
    finished: tuple[RunFolder, list[Event]], sweep: Sweep
) -> None:
    events = finished[1]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == "budget"
    ends = {event.number: event for event in events if isinstance(event, TrialEnded)}
    starts = [event.number for event in events if isinstance(event, TrialStarted)]
    assert sorted(starts) == sorted(ends) == list(range(6))
    for trial in sweep.trials:
        assert (ends[trial.number].state, ends[trial.number].score) == (trial.state, trial.score)
        told = [
            event.epoch
            for event in events
            if isinstance(event, EpochReported) and event.number == trial.number
        ]
        assert tuple(told) == trial.epochs


def test_a_trials_score_is_its_metric_after_its_last_epoch(sweep: Sweep) -> None:
    for trial in sweep.trials:
        assert trial.score == trial.epochs[-1].metrics["validation_accuracy"]
        assert len(trial.epochs) == 3 if trial.state is State.COMPLETE else len(trial.epochs) < 3


def test_gamma_is_chosen_only_for_the_step_schedule(sweep: Sweep) -> None:
    for trial in sweep.trials:
        assert ("gamma" in trial.sampled) == (trial.sampled["schedule"] == "step")
        assert trial.recipe["learning_rate"] == trial.sampled["learning_rate"]


def test_the_best_trials_recipe_trained_again_gives_the_same_epochs_to_the_bit(sweep: Sweep) -> None:
    best = sweep.best()
    assert best is not None
    frozen = Plan.read(sweep.folder / "plan.toml")
    module = frozen.trainable_module
    data = frozen.source.load(NOWHERE)
    again = module.Training(module.Recipe.model_validate(best.recipe), data, "cpu", 1)
    assert [epoch.metrics for epoch in again] == [epoch.metrics for epoch in best.epochs]


def test_reading_a_run_needs_neither_ray_nor_torch(finished: tuple[RunFolder, list[Event]]) -> None:
    code = (
        "import sys; from pathlib import Path; from search.records.sweep import Sweep\n"
        "print(len(Sweep.read(Path(sys.argv[1])).trials), 'ray' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished[0].path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["6", "False", "False"]


def test_no_file_of_a_run_is_a_pickle_or_half_written(finished: tuple[RunFolder, list[Event]]) -> None:
    names = [path.name for path in finished[0].path.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".tmp"))]
    assert not finished[0].engine.exists()


def test_a_finished_run_started_again_has_nothing_left_to_do(
    finished: tuple[RunFolder, list[Event]],
) -> None:
    run, _ = finished
    before = journal_of(run)
    events = search(run, GIVEN)
    assert [type(event) for event in events] == [Ended]
    assert journal_of(run) == before


def test_another_plan_under_the_same_name_is_refused_with_the_difference(
    finished: tuple[RunFolder, list[Event]],
) -> None:
    with pytest.raises(PlanDiffers) as refusal:
        search(
            finished[0],
            plan(
                budget={"trials": 7},
                recipe={"batch_size": 50, "epochs": 3},
                resources={"concurrency": 2},
            ),
        )
    assert refusal.value.changes == ("budget.trials: 6 -> 7", "recipe.batch_size: 100 -> 50")
    assert "benchsweep extend" in str(refusal.value.advice)


def test_a_run_that_is_owned_is_refused_with_its_owner_named(finished: tuple[RunFolder, list[Event]]) -> None:
    run, _ = finished
    with (
        owning(run.lock),
        pytest.raises(RunOwned, match=f"process {os.getpid()} on "),
        starting(run, GIVEN, NOWHERE, LOCAL),
    ):
        pass


def test_the_test_set_is_opened_once_for_the_winner_and_recorded(
    finished: tuple[RunFolder, list[Event]], sweep: Sweep
) -> None:
    run, _ = finished
    with owning(run.lock):
        first = open_test_set(run, NOWHERE)
        second = open_test_set(run, NOWHERE)
    assert first is not None
    assert second is not None
    assert second.to_json() == first.to_json()
    opened = Sweep.read(run.path).openings
    assert len(opened) == 1
    best = sweep.best()
    assert best is not None
    assert [look.trial for look in opened[0].looks] == [best.number]
    assert opened[0].looks[0].evaluation.count == 360
    assert opened[0].looks[0].weights_sha256 == best.weights_sha256
    assert (run.path / "digits_model.pth").is_file()


def test_a_trial_that_diverges_is_told_apart_and_does_not_stop_the_search(tmp_path: Path) -> None:
    run = RunFolder.named("bad", tmp_path)
    given = plan(
        budget={"trials": 4},
        recipe={"epochs": 2, "optimizer": "sgd", "weight_decay": 0.9},
        space={"learning_rate": {"choices": [1e-3, 100.0]}},
        sampler={"name": "grid"},
        pruner={"name": "none"},
    )
    search(run, given)
    states = {trial.recipe["learning_rate"]: trial for trial in Sweep.read(run.path).trials}
    assert states[1e-3].state is State.COMPLETE
    assert states[100.0].state is State.DIVERGED
    assert "must stay finite" in str(states[100.0].error)
    assert "NaN" not in run.journal.read_text()


def test_another_kind_of_trainable_is_searched_and_ranked_alike(tmp_path: Path) -> None:
    run = RunFolder.named("boosting", tmp_path)
    given = Plan.parse(
        {
            "name": "boosting",
            "trainable": "boosting",
            "budget": {"trials": 6},
            "data": {"classes": 3},
            "recipe": {"epochs": 3},
            "space": {
                "depth": {"low": 1, "high": 3},
                "fault": {"choices": ["none", "raise"]},
            },
            "sampler": {"name": "grid"},
        },
        "test",
    )
    search(run, given)
    with owning(run.lock):
        opening = open_test_set(run, NOWHERE)
    sweep = Sweep.read(run.path)
    assert sweep.metric.direction == "minimize"
    for trial in sweep.trials:
        if trial.recipe["fault"] == "raise":
            assert trial.state is State.FAILED
            assert trial.error == "ArithmeticError: this recipe always raises"
            assert "Traceback" in run.trial(trial.number).error.read_text()
        else:
            assert trial.state is State.COMPLETE
    best = sweep.best()
    assert best is not None
    scores = [trial.score for trial in sweep.trials if trial.state is State.COMPLETE]
    assert best.score == min(score for score in scores if score is not None)
    assert opening is not None
    assert set(opening.looks[0].evaluation.metrics) == {"log_loss"}


@pytest.mark.slow
def test_a_plan_that_asks_for_more_than_the_machine_has_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InsufficientResources, match="cpus = 4096"):
        search(RunFolder.named("large", tmp_path), plan(resources={"cpus": 4096}), THIS_MACHINE)


@pytest.mark.slow
def test_a_wall_time_ends_a_search_and_leaves_its_trials_to_be_continued(tmp_path: Path) -> None:
    run = RunFolder.named("short", tmp_path)
    given = plan(
        budget={"wall_time": "25s"}, recipe={"batch_size": 1, "epochs": 500}, pruner={"name": "none"}
    )
    began = time.monotonic()
    events = search(run, given, THIS_MACHINE)
    assert time.monotonic() - began < 90  # a loaded machine takes half a minute
    assert isinstance(events[-1], Ended)
    assert events[-1].detail == "the wall time of 25 s is spent"
    assert Sweep.read(run.path).count(State.INTERRUPTED) >= 1


def test_a_budget_of_epochs_is_kept_to_the_epoch_by_one_worker(tmp_path: Path) -> None:
    run = RunFolder.named("epochs", tmp_path)
    search(run, plan(budget={"epochs": 7}, pruner={"name": "none"}, resources={"concurrency": 1}))
    assert sum(len(trial.epochs) for trial in Sweep.read(run.path).trials) == 7


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="has none"):
        Sweep.read(tmp_path)


def _listening(processes: list[int]) -> dict[int, list[str]]:
    """Process id -> addresses on which it listens, of those that do (Linux)."""
    sockets: dict[str, str] = {}
    if not Path("/proc/net/tcp").exists():
        return {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                sockets[fields[9]] = fields[1].split(":")[0]
    found: dict[int, list[str]] = {}
    for process in processes:
        try:
            links = [str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()]
        except OSError:
            continue  # it ended meanwhile
        inodes = [link[8:-1] for link in links if link.startswith("socket:[")]
        found[process] = [sockets[inode] for inode in inodes if inode in sockets]
    return {process: addresses for process, addresses in found.items() if addresses}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's own tables")
def test_no_port_of_a_search_on_one_machine_listens_beyond_it(observed: Observed) -> None:
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert len(observed.listening) >= 3  # Ray's servers and the workers
    assert {address for addresses in observed.listening.values() for address in addresses} <= loopback


@pytest.mark.slow
def test_trials_run_in_the_workers_that_ray_starts_by_itself(tmp_path: Path) -> None:
    logs: set[str] = set()
    workers: set[int] = set()
    given = plan(budget={"trials": 2}, resources={"concurrency": 2})
    with starting(RunFolder.named("preloaded", tmp_path), given, NOWHERE) as started:
        for event in started:
            if isinstance(event, EpochReported):
                folder = Path(ray._private.worker._global_node.get_logs_dir_path())
                logs |= {path.name for path in folder.glob("worker-*.out")}
            if isinstance(event, Started):
                workers.add(event.workers)
    assert workers == {len(logs)}


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ConnectionError, match="a Ray cluster must answer at"),
        starting(RunFolder.named("far", tmp_path), plan(), NOWHERE, Site("127.0.0.1:9")) as started,
    ):
        list(started)


def test_a_run_that_never_came_to_a_trial_takes_another_plan(tmp_path: Path) -> None:
    run = RunFolder.named("again", tmp_path)
    with starting(run, plan(recipe={"epochs": 9}), NOWHERE, LOCAL):
        assert run.plan.exists()
    search(run, plan(budget={"trials": 1}))
    assert Sweep.read(run.path).status == "finished"


@pytest.mark.slow
def test_recipes_that_are_all_refused_are_recorded_and_end_the_search_with_the_cause(
    tmp_path: Path,
) -> None:
    run = RunFolder.named("refused", tmp_path)
    given = Plan.parse(
        {
            "name": "refused",
            "trainable": "boosting",
            "budget": {"trials": 20},
            "space": {"depth": {"low": 4, "high": 5}, "shrinkage": {"low": 0.9, "high": 1.0}},
            "sampler": {"name": "random"},
        },
        "test",
    )
    with pytest.raises(EveryTrialFailed, match="too greedy"):
        search(run, given, THIS_MACHINE)
    trials = Sweep.read(run.path).trials
    assert [trial.state for trial in trials] == [State.FAILED] * 5
    assert "too greedy" in str(trials[0].error)
    assert Sweep.read(run.path).status == "interrupted"


@pytest.mark.parametrize("name", ["study.journal", "test_openings.json"])
def test_a_file_of_a_run_that_is_damaged_is_named(
    name: str, finished: tuple[RunFolder, list[Event]], tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(finished[0].path, folder)
    (folder / "test_openings.json").write_text("[]")
    content = (folder / name).read_text().splitlines(keepends=True)
    (folder / name).write_text("".join(["{ damaged\n", *content]))
    with pytest.raises((RunDamaged, JournalDamaged), match=name):
        Sweep.read(folder)
