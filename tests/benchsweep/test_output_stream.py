"""A command whose output nobody reads, or can be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from searches import plan, search

from search.records.folder import RunFolder
from search.records.sweep import State, Sweep

pytestmark = pytest.mark.slow

GIVEN = plan(budget={"trials": 3}, confirmation={"candidates": 0})


def _shell(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which $B is benchsweep."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "B": f"{sys.executable} -m benchsweep", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(GIVEN.to_toml())
    return tmp_path


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in runs/small, for commands that only read it."""
    folder = tmp_path_factory.mktemp("searched")
    search(RunFolder.named("small", folder / "runs"), GIVEN)
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether the search came to its end, and the report and the model were written."""
    sweep = Sweep.read(folder / "runs" / "small")
    files = ["report.html", "model.safetensors", "results.json"]
    ended = all(trial.state in (State.COMPLETE, State.PRUNED) for trial in sweep.trials)
    return ended and len(sweep.trials) == 3 and all((sweep.folder / name).is_file() for name in files)


def test_a_search_whose_reader_left_is_carried_to_its_end_and_its_log_says_so(folder: Path) -> None:
    done = _shell(folder, "$B run small.toml --local --json | head -1; echo ${PIPESTATUS[0]} >&2")
    assert json.loads(done.stdout)["event"]
    assert done.stderr == "0\n"
    assert _is_whole(folder)
    log = (folder / "runs" / "small" / "ray.log").read_text()
    assert "standard output is lost (Broken pipe); continuing without it" in log


def test_a_search_whose_output_is_full_keeps_its_results_and_exits_with_1(folder: Path) -> None:
    done = _shell(folder, "$B run small.toml --local > /dev/full")
    assert done.returncode == 1
    assert "error: standard output could not be written: No space left on device" in done.stderr
    assert "runs/small" not in done.stderr
    assert _is_whole(folder)


def test_a_search_with_closed_streams_is_carried_to_its_end(folder: Path) -> None:
    done = _shell(folder, "$B run small.toml --local <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert _is_whole(folder)
    journal = (folder / "runs" / "small" / "study.journal").read_text()
    assert all(json.loads(line)["op_code"] >= 0 for line in journal.splitlines())


@pytest.mark.parametrize("arguments", ["--help", "list", "list --json", "show small", "show small --json"])
def test_a_command_that_reads_is_quiet_where_its_reader_left(searched: Path, arguments: str) -> None:
    done = _shell(searched, f"$B {arguments} | true; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == ("0\n", "")
    full = _shell(searched, f"$B {arguments} > /dev/full")
    assert full.returncode == 1
    assert full.stderr == (
        "error: standard output could not be written: No space left on device; all else was done\n"
    )


def test_what_an_ascii_terminal_cannot_show_is_replaced(folder: Path) -> None:
    done = _shell(
        folder, "$B run small.toml --local", PYTHONUTF8="0", LC_ALL="POSIX", PYTHONIOENCODING="ascii"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert _is_whole(folder)
