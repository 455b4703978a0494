"""A search on Ray that is interrupted, as by Ctrl-C: once, and again by who cannot wait."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from commands import started_command, until
from fork_server import ForkedProcess
from searches import plan

from benchsweep.terminal import typed_command
from search.engine.processes import descendants

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the plan of a long search, small.toml."""
    given = plan(budget={"trials": 4}, recipe={"batch_size": 100, "epochs": 5000}, pruner={"name": "none"})
    (tmp_path / "small.toml").write_text(given.to_toml())
    return tmp_path


@pytest.fixture
def started(place: Path) -> Iterator[Any]:
    """Start a command, whose JSON lines are read."""
    with ExitStack() as stack:

        def start(*words: str | Path) -> ForkedProcess:
            return stack.enter_context(started_command(*words, "--runs", place / "runs", "--json"))

        yield start


def test_a_search_stopped_by_a_signal_says_how_to_resume_and_resumes(place: Path, started: Any) -> None:
    process = started("run", place / "small.toml", "--name", "long")
    until(process, "epoch_reported")
    ours = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 15
    assert process.returncode == 130
    assert err.startswith("stopping: trials keep their last finished epoch; press Ctrl-C again")
    ended, summary = (json.loads(line) for line in out.splitlines()[-2:])
    assert ended["reason"] == "interrupted"
    assert summary["state"] == "interrupted"
    assert summary["next"] == typed_command("resume", str(place / "runs" / "long"))
    assert (place / "runs" / "long" / "report.html").is_file()
    assert not alive(ours)

    process = started("resume", "long")
    again = [until(process, "trial_started") for _ in range(min(2, os.cpu_count() or 1))]
    assert max(trial["resumed_from"] for trial in again) > 0
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143, err


def test_a_second_signal_leaves_at_once_and_leaves_nothing_behind(
    here: Any, place: Path, started: Any
) -> None:
    process = started("run", place / "small.toml", "--name", "twice")
    until(process, "trial_started")
    ours = descendants(process.pid)
    for _ in range(2):  # at once, as `timeout` and `uv run` send them: one
        process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert f"benchsweep resume {place / 'runs' / 'twice'}" in err
    assert not alive(ours)
    (found,) = (
        run
        for run in json.loads(here("list", "--runs", place / "runs", "--json").out)
        if run["name"] == "twice"
    )
    assert found["state"] == "interrupted"


def alive(pids: list[int]) -> list[int]:
    """Which of these still run five seconds from now; a zombie does not."""
    deadline = time.monotonic() + 5
    while left := [pid for pid in pids if runs(pid)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return left


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
