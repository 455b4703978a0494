"""`benchsweep stop`: it asks whoever runs a run to stop, waits, and says what came of it."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from commands import started_command, until
from searches import plan

from benchsweep.__main__ import main
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import Sweep


def stop(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["stop", *map(str, words)])
    result = capsys.readouterr()
    assert result.err == ""
    return int(ended.value.code or 0), result.out


@pytest.fixture
def fresh(tmp_path: Path) -> RunFolder:
    """A run that never began."""
    run = RunFolder.named("fresh", tmp_path)
    run.path.mkdir()
    run.plan.write_text(plan(name="fresh").to_toml())
    return run


def test_a_run_that_nobody_runs_is_left_alone(fresh: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = stop(fresh.name, "--runs", fresh.path.parent, capsys=capsys)
    assert code == 0
    assert "fresh is not running: it is empty" in result
    assert f"resume {fresh.path}" in result
    assert not fresh.stop_request.exists()


def test_an_owner_that_does_not_stop_is_named_and_the_request_stays(
    fresh: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with owning(fresh.lock):
        code, result = stop(fresh.path, "--wait", "0.5", capsys=capsys)
    assert code == 1
    assert f", in process {os.getpid()} on " in result
    assert f"`kill {os.getpid()}` requests the same" in " ".join(result.split())
    asked = json.loads(fresh.stop_request.read_text())
    assert set(asked) == {"host", "pid", "time"}
    assert asked["pid"] == os.getpid()
    code, result = stop(fresh.path, "--json", capsys=capsys)
    assert code == 0
    assert not fresh.stop_request.exists()  # nobody is left whom it could concern


def test_an_owner_that_goes_without_seeing_the_request_leaves_none_behind(
    fresh: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, saw = threading.Event(), []

    def hold() -> None:
        with owning(fresh.lock):
            taken.set()
            deadline = time.monotonic() + 20
            while not fresh.stop_request.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            saw.append(fresh.stop_request.exists())

    owner = threading.Thread(target=hold)
    owner.start()
    taken.wait()
    code, printed = stop(fresh.path, "--json", capsys=capsys)
    owner.join()
    result = json.loads(printed)
    assert saw == [True]
    assert code == 0
    assert result["stopped"] is True
    assert result["owner"] is None
    assert result["next"].endswith(f"resume {fresh.path}")
    assert not fresh.stop_request.exists()


@pytest.mark.slow
def test_a_search_that_is_asked_to_stop_keeps_its_epochs_and_can_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "long.toml"
    given = plan(name="long", recipe={"batch_size": 100, "epochs": 5000}, pruner={"name": "none"})
    file.write_text(given.to_toml())
    words = ["run", str(file), "--runs", str(tmp_path), "--json", "--local"]
    with started_command(*words) as process:
        until(process, "epoch_reported")
        code, result = stop("long", "--runs", tmp_path, capsys=capsys)
        out, err = process.communicate(timeout=60)
    assert code == 0, result
    assert result.startswith("long stopped ")
    assert "0 of 6 trials finished" in result
    assert "Traceback" not in err
    run = RunFolder.named("long", tmp_path)
    assert not run.stop_request.exists()
    sweep = Sweep.read(run.path)
    assert sweep.status == "interrupted"
    assert sweep.sessions[-1].ended == "interrupted"
    assert sum(len(trial.epochs) for trial in sweep.trials) > 0
    ended = next(event for event in map(json.loads, out.splitlines()) if event["event"] == "ended")
    assert ended["reason"] == "interrupted"
