"""A search that is stopped, killed or refused by the system loses nothing, repeats nothing, and goes on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from searches import NOWHERE, journal_of, plan, search

from search.events import Ended, EpochReported, Started, TrialStarted
from search.folder import RunFolder
from search.plan import Plan
from search.records import State, Sweep
from search.start import starting


def test_a_search_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    run = RunFolder.named("stopped", tmp_path)
    given = plan(budget={"trials": 4}, recipe={"batch_size": 20, "epochs": 30}, pruner={"name": "none"})
    with starting(run, given, NOWHERE) as first:
        reported = 0
        for event in first:
            reported += isinstance(event, EpochReported)
            if reported >= 5:
                first.stop()
    assert isinstance(event, Ended)
    assert event.reason == "interrupted"
    before = Sweep.read(run.path)
    cut = [trial for trial in before.trials if trial.state is State.INTERRUPTED]
    assert cut
    assert before.sessions[0].ended == "interrupted"

    events = search(run, given)
    after = Sweep.read(run.path)
    assert [trial.state for trial in after.trials] == [State.COMPLETE] * 4
    for trial in cut:
        resumed = after.trials[trial.number]
        assert [epoch.metrics for epoch in resumed.epochs[: len(trial.epochs)]] == [
            epoch.metrics for epoch in trial.epochs
        ]
        if trial.epochs:
            assert resumed.resumed_from == (len(trial.epochs),)
    recorded = [(event.number, event.epoch.number) for event in events if isinstance(event, EpochReported)]
    assert len(recorded) == len(set(recorded)) == 4 * 30 - sum(len(trial.epochs) for trial in before.trials)


DRIVER = """
import sys
from pathlib import Path
from search.folder import RunFolder
from search.plan import Plan
from search.start import starting
with starting(RunFolder.named("killed", Path(sys.argv[1])), Plan.read(sys.argv[2]), Path(".")) as search:
    for event in search:
        print(type(event).__name__, flush=True)
"""


def _drive(runs: Path, file: Path, epochs: int) -> None:
    """Start a search in a process group of its own and kill all of it after some epochs."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(runs), str(file)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.strip() == "EpochReported"
        if seen >= epochs:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_search_killed_outright_loses_and_repeats_nothing(tmp_path: Path) -> None:
    given = plan(
        name="killed",
        budget={"trials": 3},
        recipe={"batch_size": 20, "epochs": 12},
        resources={"concurrency": 1},
        pruner={"name": "none"},
    )
    whole = RunFolder.named("whole", tmp_path)
    search(whole, given)
    file = tmp_path / "killed.toml"
    file.write_text(given.to_toml())
    _drive(tmp_path, file, epochs=16)
    run = RunFolder.named("killed", tmp_path)
    before = Sweep.read(run.path)
    assert before.count(State.INTERRUPTED) > 0
    search(run, given)

    uninterrupted, resumed = Sweep.read(whole.path), Sweep.read(run.path)
    for one, other in zip(uninterrupted.trials, resumed.trials, strict=True):
        assert (one.state, one.score, one.recipe) == (other.state, other.score, other.recipe)
        assert [epoch.metrics for epoch in one.epochs] == [epoch.metrics for epoch in other.epochs]
    steps = [(line["trial_id"], line["step"]) for line in journal_of(run) if "intermediate_value" in line]
    assert len(steps) == len(set(steps)) == 3 * 12


def test_a_run_killed_after_its_last_trial_is_finished_by_the_next_start(tmp_path: Path) -> None:
    run = RunFolder.named("last", tmp_path)
    given = plan(budget={"trials": 1})
    search(run, given)
    lines = run.journal.read_text().splitlines(keepends=True)
    while '"budget"' in lines[-1]:
        lines.pop()
    run.journal.write_text("".join(lines))
    assert Sweep.read(run.path).status == "interrupted"
    assert [type(event) for event in search(run, given)] == [Ended]
    assert Sweep.read(run.path).status == "finished"


def test_a_worker_that_is_killed_is_replaced_and_its_trial_goes_on(tmp_path: Path) -> None:
    run = RunFolder.named("worker", tmp_path)
    given = plan(budget={"trials": 1}, recipe={"batch_size": 20, "epochs": 60}, pruner={"name": "none"})
    killed = False
    with starting(run, given, NOWHERE) as started:
        for event in started:
            if isinstance(event, EpochReported) and event.epoch.number >= 5 and not killed:
                worker = Sweep.read(run.path).trials[0].worker
                assert worker is not None
                os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)
                killed = True
    trial = Sweep.read(run.path).trials[0]
    assert killed
    assert trial.state is State.COMPLETE
    assert [epoch.number for epoch in trial.epochs] == list(range(1, 61))
    assert "its worker died after epoch" in trial.notes[0]


def test_a_trial_whose_worker_always_dies_is_failed_with_its_reason(tmp_path: Path) -> None:
    run = RunFolder.named("deadly", tmp_path)
    given = Plan.parse(
        {
            "name": "deadly",
            "trainable": "boosting",
            "budget": {"trials": 1},
            "space": {"fault": {"choices": ["end the process"]}},
            "resources": {"max_failures": 1},
        },
        "test",
    )
    search(run, given)
    trial = Sweep.read(run.path).trials[0]
    assert trial.state is State.FAILED
    assert "its worker died 2 times" in str(trial.error)


def test_a_full_disk_under_a_worker_stops_the_search_and_fails_no_trial(tmp_path: Path) -> None:
    """The trials' folder is a file: nothing can be stored below it, as on a disk that is full."""
    run = RunFolder.named("full", tmp_path)
    given = plan(budget={"trials": 2}, resources={"concurrency": 1})
    blocked = run.trial(0).path
    with (
        pytest.raises(OSError, match="epoch 1 cannot be stored in"),
        starting(run, given, NOWHERE) as started,
    ):
        for event in started:
            if isinstance(event, TrialStarted) and event.number == 0:
                blocked.mkdir(parents=True)
                (blocked / "checkpoint.safetensors").mkdir()  # what exists is moved aside, and this cannot be
                (blocked / "checkpoint.previous.safetensors").write_text("")
    assert [trial.state for trial in Sweep.read(run.path).trials] == [State.INTERRUPTED]

    (blocked / "checkpoint.safetensors").rmdir()
    (blocked / "checkpoint.previous.safetensors").unlink()
    search(run, given)
    assert {trial.state for trial in Sweep.read(run.path).trials} <= {State.COMPLETE, State.PRUNED}


def test_a_journal_that_takes_no_more_stops_the_search_with_the_systems_own_reason(tmp_path: Path) -> None:
    """A limit on the size of files, put on this process's own by the kernel, stands for a full disk."""
    run = RunFolder.named("limited", tmp_path)
    given = plan(budget={"trials": 3}, pruner={"name": "none"}, resources={"concurrency": 1})
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match="File too large"), starting(run, given, NOWHERE) as started:
            for event in started:
                if isinstance(event, EpochReported):
                    limit = run.journal.stat().st_size + 30
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert not run.journal.read_bytes().endswith(b"\n")  # a torn line, and nothing after it
    events = search(run, given)
    assert isinstance(events[0], Started)
    assert "torn line" in str(events[0].repaired)
    assert [trial.state for trial in Sweep.read(run.path).trials] == [State.COMPLETE] * 3
