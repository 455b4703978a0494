"""A search that is stopped, killed or refused by the system loses nothing, repeats nothing, and goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import started_command
from searches import LOCAL, NOWHERE, noop_plan, plan, search
from studies import carry_on, folder

from benchsweep.screen.ending import write_report
from search.cluster.access import THIS_MACHINE
from search.engine.events import Ended, EpochReported
from search.engine.processes import descendants
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import check_journal
from search.records.sweep import RunDamaged, State, Sweep
from search.start import starting

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_search_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    run = RunFolder.named("stopped", tmp_path)
    given = noop_plan("stopped", trials=4, epochs=30, seconds=0.1)
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

    events = search(run, given, THIS_MACHINE)
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


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_trial_goes_on(tmp_path: Path) -> None:
    run = RunFolder.named("worker", tmp_path)
    given = noop_plan(trials=1, seconds=0.05, epochs=60)
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
    first, second = trial.placements
    assert first.worker == worker != second.worker == trial.worker
    assert (first.epoch, first.session, second.session) == (0, 0, 0)
    assert 5 <= second.epoch < 60
    assert first.since < second.since


def _faulty(name: str, fault: str, **changes: Any) -> Plan:
    table = {
        "name": name,
        "trainable": "boosting",
        "budget": {"trials": 1},
        "space": {"fault": {"choices": [fault]}},
    }
    return Plan.parse({**table, **changes}, "test")


@pytest.mark.slow
def test_a_trial_whose_worker_always_dies_is_failed_with_its_reason(tmp_path: Path) -> None:
    run = RunFolder.named("deadly", tmp_path)
    search(run, _faulty("deadly", "end the process", resources={"max_failures": 1}), THIS_MACHINE)
    trial = Sweep.read(run.path).trials[0]
    assert trial.state is State.FAILED
    assert "its worker died 2 times" in str(trial.error)


@pytest.mark.slow
def test_a_trial_that_ray_ends_for_lack_of_memory_is_failed_with_that_reason(tmp_path: Path) -> None:
    """In a process of its own, to whose Ray a machine that is used to a hundredth is full."""
    (tmp_path / "full.toml").write_text(
        _faulty("full", "hang", resources={"max_failures": 0}).to_toml(),
    )
    limits = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}
    tests = os.pathsep.join([str(Path(__file__).parents[2] / "helpers"), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        [sys.executable, "-m", "benchsweep", "run", "full.toml", "--runs", ".", "--quiet"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **limits, "PYTHONPATH": tests},
        timeout=120,
    )
    assert told.returncode == 1, told.stderr
    trial = Sweep.read(tmp_path / "full").trials[0]
    assert trial.state is State.FAILED
    assert "its worker died once; at last: Ray ended it because the machine ran low on memory" in str(
        trial.error
    )


@pytest.mark.slow
def test_a_trial_that_finds_no_memory_is_failed_with_its_reason_and_the_search_goes_on(
    tmp_path: Path,
) -> None:
    run = RunFolder.named("memory", tmp_path)
    given = _faulty(
        "memory",
        "memory",
        budget={"trials": 3},
        sampler={"name": "grid"},
        space={"fault": {"choices": ["memory", "none"]}},
    )
    search(run, given, THIS_MACHINE)
    trials = {trial.recipe["fault"]: trial for trial in Sweep.read(run.path).trials}
    assert trials["memory"].state is State.FAILED
    assert "MemoryError" in str(trials["memory"].error)
    assert trials["none"].state is State.COMPLETE


@pytest.mark.slow
def test_a_trial_that_hangs_is_ended_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOSTING_HUNG", str(tmp_path / "hung"))
    run = RunFolder.named("once", tmp_path)
    search(run, _faulty("once", "hang once", resources={"trial_timeout": "15s"}), THIS_MACHINE)
    trial = Sweep.read(run.path).trials[0]
    assert trial.state is State.COMPLETE
    assert [epoch.number for epoch in trial.epochs] == [1, 2, 3]
    assert trial.notes == ("its worker hung and was ended after epoch 1; another one continued from there",)


@pytest.mark.slow
def test_a_trial_that_hangs_again_at_the_same_epoch_is_failed_with_its_reason(tmp_path: Path) -> None:
    run = RunFolder.named("hangs", tmp_path)
    search(run, _faulty("hangs", "hang", resources={"trial_timeout": "15s"}), THIS_MACHINE)
    trial = Sweep.read(run.path).trials[0]
    assert trial.state is State.FAILED
    assert trial.error == "it hung twice after epoch 1: no epoch within the 15s of trial_timeout"
    assert len(trial.epochs) == 1


def test_a_search_is_stopped_by_a_file_in_its_folder(tmp_path: Path) -> None:
    run = RunFolder.named("asked", tmp_path)
    given = plan(budget={"trials": 2}, recipe={"batch_size": 20, "epochs": 400}, pruner={"name": "none"})
    with starting(run, given, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, EpochReported) and (event.number, event.epoch.number) == (0, 3):
                run.stop_request.write_text("whatever it holds")
    assert isinstance(event, Ended)
    assert event.detail == "stopped by somebody, with `benchsweep stop` before its budget was spent"
    assert not run.stop_request.exists()
    assert Sweep.read(run.path).status == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("daemon", ["raylet", "gcs_server"])
def test_a_daemon_of_rays_that_dies_ends_the_search_with_a_sentence(tmp_path: Path, daemon: str) -> None:
    """In a process of its own, for Ray leaves one that it cannot be started in again."""
    given = noop_plan("lost", trials=2, seconds=0.05, epochs=10_000)
    (tmp_path / "lost.toml").write_text(given.to_toml())
    with started_command(
        *("run", "lost.toml", "--runs", ".", "--json"),
        cwd=tmp_path,
        environment={"PYTHONPATH": str(ROOT / "benchmarks")},
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if '"epoch_reported"' in line)
        started = descendants(process.pid)
        (pid,) = [
            pid
            for pid in started
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(daemon.encode())
        ]
        os.kill(pid, signal.SIGKILL)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"error: Ray needs its process {daemon}, but that ended" in told
    assert "continue with: " in told
    deadline = time.monotonic() + 5
    while (left := [pid for pid in started if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    sweep = Sweep.read(tmp_path / "lost")
    assert sweep.sessions[0].ended == "error"
    assert sweep.count(State.INTERRUPTED) == len(sweep.trials) > 0


def _runs(pid: int) -> bool:
    """Whether it is more than an entry in the table of processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_run_whose_folder_vanishes_ends_with_a_sentence_and_makes_no_other(tmp_path: Path) -> None:
    run = RunFolder.named("gone", tmp_path)
    given = noop_plan(trials=2, seconds=0.05, epochs=400)
    with pytest.raises(OSError) as raised, starting(run, given, NOWHERE) as started:
        for event in started:
            if isinstance(event, EpochReported) and event.epoch.number == 3:
                run.path.rename(tmp_path / "elsewhere")
    assert str(tmp_path / "gone") in str(raised.value)
    assert not run.journal.exists()
    # Put back, it goes on: with a budget that ends it soon.
    shutil.rmtree(run.path, ignore_errors=True)
    (tmp_path / "elsewhere").rename(run.path)
    before = sum(len(trial.epochs) for trial in Sweep.read(run.path).trials)
    soon = Plan.parse({**given.to_table(), "budget": {"epochs": before + 2}}, "test")
    with starting(run, soon, NOWHERE, LOCAL, extend=True) as resumed:
        assert isinstance(list(resumed)[-1], Ended)
    assert Sweep.read(run.path).status == "finished"


@pytest.mark.parametrize("missing", ["study.journal", "plan.toml"])
def test_a_run_that_lost_its_journal_or_its_plan_loses_nothing_more(tmp_path: Path, missing: str) -> None:
    run = RunFolder.named("lost", tmp_path)
    given = plan(name="lost", budget={"trials": 2}, pruner={"name": "none"})
    search(run, given)
    (run.path / missing).unlink()
    if missing == "plan.toml":  # which the journal holds too
        search(run, given)
        assert Plan.read(run.plan) == given
        assert len(Sweep.read(run.path).trials) == 2
    else:
        with pytest.raises(RunDamaged, match=r"has the folders of 2 trials, but study\.journal has no trial"):
            search(run, given)
    assert all(run.trial(number).checkpoint.exists() for number in (0, 1))


def test_a_clock_that_is_set_back_between_two_starts_confuses_nothing(tmp_path: Path) -> None:
    run = folder("clock", tmp_path)
    carry_on(run, plan(budget={"trials": 2}, pruner={"name": "none"}))
    text = run.journal.read_text()
    year = str(datetime.now(UTC).year)
    run.journal.write_text(text.replace(f'"{year}-', '"2061-'))  # all of it lies in the future now
    carry_on(run, plan(budget={"trials": 3}, pruner={"name": "none"}))
    sweep = Sweep.read(run.path)
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 3
    assert sweep.status == "finished"
    assert 0 <= sweep.seconds < 600
    assert write_report(sweep, tmp_path)["report.html"].stat().st_size > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 6 MB, in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(disk: Path) -> Path:
    """Leave no byte on the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return ballast


@pytest.mark.slow
@pytest.mark.parametrize("full", ["under the checkpoints", "under the journal"])
def test_a_disk_that_fills_up_stops_the_search_with_a_sentence_and_room_lets_it_go_on(
    small_disk: Path, tmp_path: Path, full: str
) -> None:
    run = RunFolder.named("full", small_disk)
    given = plan(budget={"trials": 2}, recipe={"batch_size": 20, "epochs": 30}, pruner={"name": "none"})
    if full == "under the journal":  # and under it alone: the trials lie elsewhere
        run.path.mkdir()
        (tmp_path / "elsewhere").mkdir()
        (run.path / "trials").symlink_to(tmp_path / "elsewhere")
    ballast = None
    with (
        pytest.raises(OSError, match="No space left on device") as raised,
        starting(run, given, NOWHERE) as search_,
    ):
        for event in search_:
            if ballast is None and isinstance(event, EpochReported) and event.epoch.number == 3:
                ballast = _fill(small_disk)
    assert ("cannot store epoch" in str(raised.value)) is (full == "under the checkpoints")
    assert ballast is not None
    checked = check_journal(run.journal)
    assert checked.size == checked.complete
    before = Sweep.read(run.path)
    assert before.count(State.INTERRUPTED) == len(before.trials) == 2

    ballast.unlink()
    search(run, given)
    after = Sweep.read(run.path)
    assert [trial.state for trial in after.trials] == [State.COMPLETE] * 2
    for one, other in zip(before.trials, after.trials, strict=True):
        assert other.epochs[: len(one.epochs)] == one.epochs
        assert [epoch.number for epoch in other.epochs] == list(range(1, 31))
