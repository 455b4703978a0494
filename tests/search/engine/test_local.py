"""A search that trains in its own process, without Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from commands import command, started_command
from searches import LOCAL, NOWHERE, TABLE, plan, search
from studies import outcome

from search.cluster.access import THIS_MACHINE, Site
from search.cluster.capacity import InsufficientResources
from search.confirm import confirming
from search.engine.events import Ended, EpochReported, Note, Started, TrialEnded, TrialPaused, TrialStarted
from search.plan.budget import Resources
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import starting

ROOT = Path(__file__).parents[3]


def _weights(run: RunFolder) -> list[str | None]:
    return [trial.weights_sha256 for trial in Sweep.read(run.path).trials]


def _metrics(run: RunFolder) -> list[list[Any]]:
    return [[epoch.metrics for epoch in trial.epochs] for trial in Sweep.read(run.path).trials]


def _reruns(run: RunFolder) -> list[tuple[Any, ...]]:
    """Candidate, seed, score and weights of each training of the confirmation."""
    confirmation = Sweep.read(run.path).confirmation
    assert confirmation is not None and confirmation.decided
    return [
        (candidate.trial, rerun.recipe["seed"], rerun.score, rerun.weights_sha256)
        for candidate in confirmation.candidates
        for rerun in candidate.complete
    ]


@pytest.mark.slow
def test_it_comes_to_the_trials_scores_and_weights_of_a_search_on_ray_to_the_bit(tmp_path: Path) -> None:
    given = plan(
        budget={"trials": 8},
        resources={"concurrency": 1},
        confirmation={"candidates": 2, "seeds": 2},
        sampler={"name": "tpe", "n_startup_trials": 3},
    )
    runs = {}
    for site in (LOCAL, THIS_MACHINE):
        run = RunFolder.named("local" if site.local else "ray", tmp_path)
        events = search(run, given.model_copy(update={"name": run.name}), site)
        with confirming(run, NOWHERE, site) as race:
            events += list(race)
        runs[site] = run, [event for event in events if isinstance(event, TrialEnded)]
    (local, local_events), (ray, ray_events) = runs.values()
    assert len(outcome(local)) == 8
    assert {trial.state for trial in Sweep.read(local.path).trials} == {State.COMPLETE, State.PRUNED}
    assert outcome(local) == outcome(ray)
    assert _metrics(local) == _metrics(ray)
    assert any(_weights(local)) and _weights(local) == _weights(ray)
    assert _reruns(local) == _reruns(ray)
    assert local_events == ray_events


@pytest.mark.parametrize("changes", [{}, {"resources": {"cpus": 64, "custom": {"licence": 1}}}])
def test_its_events_and_its_record_are_those_of_one_worker(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = RunFolder.named("small", tmp_path)
    events = search(run, plan(budget={"trials": 3}, **changes))
    assert isinstance(events[0], Started) and isinstance(events[-1], Ended)
    assert (events[0].workers, events[0].hosts, events[0].device) == (1, 1, "cpu")
    assert events[-1].reason == "budget"
    sweep = Sweep.read(run.path)
    assert [trial.number for trial in sweep.trials] == [0, 1, 2]
    assert {str(trial.worker).partition(":")[2] for trial in sweep.trials} == {str(os.getpid())}
    assert sum(isinstance(event, EpochReported) for event in events) == sum(
        len(trial.epochs) for trial in sweep.trials
    )


WITHOUT_RAY = """
import json, sys
sys.modules["ray"] = None
from benchsweep.__main__ import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as ended:
        if ended.code:
            raise
"""


def _without_ray(folder: Path, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """The commands, one after the other, in a process where ray cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, json.dumps(commands)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_run_extend_resume_and_confirm_need_no_ray(tmp_path: Path) -> None:
    given = plan(budget={"trials": 2}, recipe={"epochs": 1}, confirmation={"candidates": 0})
    (tmp_path / "plan.toml").write_text(given.to_toml())
    given_words = (
        ["run", "plan.toml"],
        ["extend", "small", "--trials", "1"],
        ["resume", "small"],
        ["confirm", "small", "--candidates", "1", "--seeds", "2"],
    )
    done = _without_ray(tmp_path, *([*words, "--local", "--json"] for words in given_words))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events.count("summary") == len(given_words) and events[-1] == "summary"
    sweep = Sweep.read(tmp_path / "runs" / "small")
    assert len(sweep.trials) == 3
    assert sweep.confirmation is not None and sweep.confirmation.decided


BROKEN = """
from trainable.mlp import METRIC, Recipe, Source
from trainable.mlp import Training as Plain

class Training:
    def __init__(self, recipe, data, device, threads):
        self.plain, self.seed = Plain(recipe, data, device, threads), recipe.seed

    def __getattr__(self, name):
        return getattr(self.plain, name)

    def __iter__(self):
        for epoch in self.plain:
            print(f"an epoch of seed {self.seed}", flush=True)
            LINE
            yield epoch
"""


def _trainable(folder: Path, line: str, **changes: Any) -> Plan:
    """A plan whose trainable executes `line` after each epoch."""
    (folder / "broken.py").write_text(BROKEN.replace("LINE", textwrap.indent(line, 12 * " ").strip()))
    table = {**TABLE, "trainable": "broken", "confirmation": {"candidates": 0}, "pruner": {"name": "none"}}
    sys.modules.pop("broken", None)
    given = Plan.parse({**table, **changes}, "test")
    (folder / "plan.toml").write_text(given.to_toml())
    return given


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["c", "q"])
def test_a_breakpoint_in_a_trainable_stops_at_the_terminal(
    tmp_path: Path, leave: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    _trainable(tmp_path, "breakpoint()", budget={"trials": 1}, recipe={"epochs": 2})
    answers = f"p 'the seed is', self.seed\n{leave}\n" * (2 if leave == "c" else 1)
    done = command("run", "plan.toml", "--local", input=answers, cwd=tmp_path)
    assert "('the seed is', 0)" in done.out
    assert "an epoch of seed 0" in done.out
    (trial,) = Sweep.read(tmp_path / "runs" / "small").trials
    if leave == "c":
        assert (done.code, trial.state) == (0, State.COMPLETE), done.err
    else:  # who leaves the debugger stops the search, and no trial fails of it
        assert (done.code, trial.state) == (130, State.INTERRUPTED), done.err
        assert "resume small --local" in done.out + done.err


def test_an_error_of_the_trainable_fails_its_trial_with_a_traceback_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    given = _trainable(
        tmp_path,
        "if self.plain.recipe.learning_rate > 0.01: raise ArithmeticError('too fast')",
        recipe={"epochs": 1},
        space={"learning_rate": {"choices": [0.001, 0.1]}},
        sampler={"name": "grid"},
        budget={"trials": 2},
    )
    run = RunFolder.named("small", tmp_path)
    search(run, given)
    by_rate = {trial.recipe["learning_rate"]: trial for trial in Sweep.read(run.path).trials}
    assert by_rate[0.001].state is State.COMPLETE
    failed = by_rate[0.1]
    assert (failed.state, failed.error) == (State.FAILED, "ArithmeticError: too fast")
    assert "broken.py" in run.trial(failed.number).error.read_text()


def test_it_stops_between_epochs_and_a_resumed_search_comes_to_the_same_bits(tmp_path: Path) -> None:
    given = plan(budget={"trials": 3}, recipe={"batch_size": 100, "epochs": 4}, pruner={"name": "none"})
    straight = RunFolder.named("straight", tmp_path)
    search(straight, given.model_copy(update={"name": "straight"}))
    run = RunFolder.named("small", tmp_path)
    for reached in (2, 3):
        with starting(run, given, NOWHERE, LOCAL) as started:
            epochs = 0
            for event in started:
                epochs += isinstance(event, EpochReported)
                if epochs == reached:
                    started.stop()
            assert isinstance(event, Ended) and event.reason == "interrupted"
            assert epochs == reached
    search(run, given)
    assert outcome(run) == outcome(straight)
    assert _metrics(run) == _metrics(straight)
    assert _weights(run) == _weights(straight)
    assert Sweep.read(run.path).trials[0].resumed_from == (2,)


def test_a_stop_request_in_its_folder_ends_it(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    given = plan(budget={"trials": 500}, recipe={"epochs": 50}, pruner={"name": "none"})
    with starting(run, given, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, EpochReported) and event.epoch.number == 1:
                run.stop_request.write_text(json.dumps({"pid": 7, "host": "far"}))
    assert isinstance(event, Ended)
    assert event.detail == "stopped by process 7 on far, with `benchsweep stop` before its budget was spent"
    assert not run.stop_request.exists()


@pytest.mark.slow
def test_ctrl_c_ends_it_after_the_epoch_and_sigkill_loses_no_epoch(tmp_path: Path) -> None:
    given = plan(budget={"trials": 2}, recipe={"batch_size": 20, "epochs": 100}, pruner={"name": "none"})
    (tmp_path / "plan.toml").write_text(given.to_toml())
    epochs = 0
    for signum, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        with started_command("run", "plan.toml", "--local", "--json", cwd=tmp_path) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line)["event"] == "epoch_reported":
                    epochs += 1
                    if epochs % 3 == 0:
                        process.send_signal(signum)
                        break
            for line in process.stdout:
                epochs += json.loads(line)["event"] == "epoch_reported"
            process.wait(60)
        assert process.returncode == code
        (trial, *_) = Sweep.read(tmp_path / "runs" / "small").trials
        assert trial.state is State.INTERRUPTED
        assert [epoch.number for epoch in trial.epochs] == list(range(1, len(trial.epochs) + 1))
        assert len(trial.epochs) >= epochs
        epochs = len(trial.epochs)
        epochs -= epochs % 3


@pytest.mark.parametrize("budget, epochs", [({"epochs": 7}, 7), ({"wall_time": 1.5}, None)])
def test_it_ends_with_its_budget(tmp_path: Path, budget: dict[str, Any], epochs: int | None) -> None:
    run = RunFolder.named("small", tmp_path)
    given = plan(budget=budget, recipe={"batch_size": 20, "epochs": 3}, pruner={"name": "none"})
    events = search(run, given)
    assert isinstance(events[-1], Ended) and events[-1].reason == "budget"
    trained = sum(len(trial.epochs) for trial in Sweep.read(run.path).trials)
    assert trained == epochs or (epochs is None and trained)


def test_a_reader_that_leaves_lets_the_trial_be_resumed(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    with starting(run, plan(), NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, EpochReported):
                break
    search(run, plan())
    assert len(Sweep.read(run.path).trials) == 6
    assert Sweep.read(run.path).count(State.INTERRUPTED) == 0


def test_it_trains_in_the_thread_that_iterates_and_starts_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    line = "import threading; self.plain.seen = threading.current_thread(), threading.active_count()"
    given = _trainable(tmp_path, f"{line}; SEEN.append(self.plain.seen)", budget={"trials": 1})
    import broken

    broken.SEEN = []
    search(RunFolder.named("small", tmp_path), given)
    assert {thread for thread, _ in broken.SEEN} == {threading.current_thread()}


def test_it_tells_that_it_cannot_end_a_trial_that_hangs(tmp_path: Path) -> None:
    events = search(
        RunFolder.named("small", tmp_path),
        plan(budget={"trials": 1}, recipe={"epochs": 1}, resources={"trial_timeout": "60s"}),
    )
    assert isinstance(events[0], Note) and "trial_timeout" in events[0].sentence


def test_a_plan_for_gpus_is_refused_where_there_is_none_and_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    run = RunFolder.named("small", tmp_path)
    for resources in ({"device": "cuda"}, {"gpus": 0.5}):
        with pytest.raises(InsufficientResources):
            search(run, plan(resources=resources))
    assert not run.path.exists()
    search(run, plan(budget={"trials": 1}, resources={"device": "any", "gpus": 0.5}))
    (trial,) = Sweep.read(run.path).trials
    assert (trial.state, trial.device) == (State.COMPLETE, "cpu")


def test_an_address_and_local_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchsweep.errors import UsageError
    from benchsweep.session.search import site_of

    with pytest.raises(UsageError, match="--address far:6379"):
        site_of("far:6379", False, True)
    monkeypatch.setenv("RAY_ADDRESS", "far:6379")
    assert asdict(site_of("far:6379", False, True)) == asdict(Site(local=True))
    assert site_of("far:6379", False, False).address == "far:6379"


def test_a_paused_trial_keeps_its_checkpoint_until_it_goes_on_or_the_budget_is_spent(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    run.path.mkdir()
    given = plan(
        budget={"trials": 14},
        recipe={"batch_size": 8, "epochs": 12},
        sampler={"name": "auto", "n_startup_trials": 4},
        pruner={"name": "forecast", "chance": 0.3, "n_startup_trials": 2},
    )
    paused: dict[int, int] = {}
    ended: dict[int, State] = {}
    continued: list[int] = []
    with starting(run, given, NOWHERE, LOCAL) as search:
        for event in search:
            if isinstance(event, TrialPaused):
                paused[event.number] = event.epochs
                assert Sweep.read(run.path).trials[event.number].state is State.PAUSED
                assert run.trial(event.number).path.joinpath("checkpoint.safetensors").exists()
            elif isinstance(event, TrialStarted) and event.number in paused:
                assert event.resumed_from == paused[event.number]
                continued.append(event.number)
            elif isinstance(event, TrialEnded):
                ended[event.number] = event.state
    trials = Sweep.read(run.path).trials
    assert continued and State.PRUNED in {ended[number] for number in paused}
    assert {trial.number: trial.state for trial in trials} == ended
    for number in paused:
        trial = trials[number]
        assert trial.pauses and [epoch.number for epoch in trial.epochs] == [*range(1, len(trial.epochs) + 1)]
        assert [placement.epoch for placement in trial.placements] == [
            0,
            *(pause for pause in trial.pauses if pause < len(trial.epochs)),
        ]
        if trial.state is State.PRUNED:
            assert trial.pauses[-1] == len(trial.epochs)
            assert not run.trial(number).path.joinpath("checkpoint.safetensors").exists()


@pytest.mark.slow
def test_a_strict_order_gives_two_workers_on_ray_the_trials_and_weights_of_one_here(
    tmp_path: Path,
) -> None:
    given = plan(
        budget={"trials": 12},
        recipe={"batch_size": 16, "epochs": 6},
        order="strict",
        window=4,
        sampler={"name": "auto", "n_startup_trials": 4},
        pruner={"name": "forecast", "chance": 0.3, "n_startup_trials": 2},
        confirmation={"candidates": 2, "seeds": 2},
    )
    runs = {}
    for site, workers in ((LOCAL, 1), (THIS_MACHINE, 2)):
        run = runs[workers] = RunFolder.named(f"of-{workers}", tmp_path)
        run.path.mkdir()
        search(run, given.model_copy(update={"resources": Resources(concurrency=workers)}), site)
        with confirming(run, NOWHERE, site) as race:
            list(race)
    one, two = runs.values()
    assert {trial.state for trial in Sweep.read(one.path).trials} == {State.COMPLETE, State.PRUNED}
    assert outcome(one) == outcome(two)
    assert _metrics(one) == _metrics(two) and _weights(one) == _weights(two)
    assert sorted(_reruns(one), key=str) == sorted(_reruns(two), key=str)
