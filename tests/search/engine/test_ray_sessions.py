"""What Ray leaves on this machine, and who may read it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from commands import started_command
from fork_server import ForkedProcess
from searches import noop_plan, search

from search.cluster.access import THIS_MACHINE
from search.engine.ray_sessions import (
    NoTemporaryFolder,
    RaySession,
    dead_sessions,
    session_of,
    sessions_folder,
    watched,
)
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep

ROOT = Path(__file__).parents[3]


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short temporary folder, for the path of a socket has an end."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_user_can_enter_the_folder(temporary: Path) -> None:
    folder = sessions_folder()
    assert _mode(folder.parent) == 0o700
    folder.parent.chmod(0o777)
    assert sessions_folder() == folder
    assert _mode(folder.parent) == 0o700


def test_a_folder_that_cannot_hold_sockets_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_long = tmp_path / ("x" * 60)
    too_long.mkdir()
    for folder, reason in (
        (too_long, "is too long"),
        (Path("/proc/1"), "cannot be used"),
        (Path("/tmp/none"), "cannot be used"),
    ):
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        with pytest.raises(NoTemporaryFolder) as raised:
            sessions_folder()
        assert f"{folder} {reason}" in raised.value.message
        assert raised.value.advice is not None and "RAY_TMPDIR" in raised.value.advice


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_a_session_lives_as_long_as_its_driver_whatever_the_time_zone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    folder = sessions_folder()
    alive = folder / f"session_2026-11-30_12-34-26_919741_{os.getpid()}"
    ended = folder / "session_2026-11-30_12-34-26_919741_4194305"  # above every process id
    reused = folder / f"session_2026-11-29_12-34-26_919741_{os.getpid()}"
    for path in (alive, ended, reused):
        path.mkdir()
    os.utime(reused, (1.0, psutil.Process().create_time() - 60))
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert {session.path for session in dead_sessions(folder)} == {ended, reused}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_session_of_a_driver_is_the_newest_that_names_it(temporary: Path) -> None:
    folder = sessions_folder()
    for name in ("session_2026-11-30_12-34-26_919741_7", "session_2026-11-30_12-34-27_919741_7", "other"):
        (folder / name).mkdir()
    (folder / "session_2026-11-30_12-34-28_919741_8").mkdir()
    session = session_of(folder, 7)
    assert session is not None
    assert session.path.name == "session_2026-11-30_12-34-27_919741_7"
    assert session_of(folder, 9) is None


def test_a_folder_of_somebody_else_is_not_used(temporary: Path) -> None:
    own = sessions_folder().parent
    (own / "ray").rmdir()
    own.rmdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    own.symlink_to(elsewhere)
    with pytest.raises(NoTemporaryFolder, match="not a folder of this user's"):
        sessions_folder()


@contextmanager
def driver(given: Plan, folder: Path, **environment: str) -> Iterator[ForkedProcess]:
    """A search of a plan in a process of its own; its run is in the folder, and its events on its output."""
    (folder / "lost.toml").write_text(given.to_toml())
    with (
        (folder / "err").open("w") as errors,
        started_command(
            *("run", "lost.toml", "--runs", ".", "--json"),
            stderr=errors,
            cwd=folder,
            environment={"PYTHONPATH": str(ROOT / "benchmarks"), **environment},
        ) as process,
    ):
        yield process


@pytest.mark.slow
def test_a_search_leaves_no_session_and_the_next_start_removes_what_a_kill_left(
    temporary: Path, tmp_path: Path
) -> None:
    given = noop_plan("lost", trials=2, epochs=8, seconds=0.1)
    with driver(given, tmp_path, HOME="/proc/none") as process:
        assert process.stdout is not None
        next(line for line in process.stdout if '"epoch_reported"' in line)
        folder = sessions_folder()
        (running,) = filter(None, map(RaySession.at, folder.iterdir()))
        assert not running.dead
        assert running.driver == process.pid
        names = {daemon.name() for daemon in running.processes()}
        assert {"raylet", "gcs_server"} <= names
        (watcher,) = [child for child in _of(temporary) if "session_watcher" in " ".join(_words(child))]
        watcher.kill()
        process.send_signal(signal.SIGKILL)
    (dead,) = dead_sessions(folder)
    assert dead.path == running.path

    run = RunFolder.named("lost", tmp_path)
    search(run, given, THIS_MACHINE)
    assert Sweep.read(run.path).count(State.COMPLETE) + Sweep.read(run.path).count(State.PRUNED) == 2
    assert not list(folder.glob("session_2*"))
    assert not dead.processes()
    until = time.monotonic() + 5
    while left := [child for child in psutil.process_iter() if str(folder) in " ".join(_words(child))]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while Ray starts", "while it trains"])
def test_nothing_is_left_of_a_killed_search_within_seconds(
    temporary: Path, tmp_path: Path, moment: str
) -> None:
    with driver(noop_plan("lost", trials=9, epochs=99, seconds=0.1), tmp_path) as process:
        assert process.stdout is not None
        if moment == "while Ray starts":
            until = time.monotonic() + 120
            while not [daemon for daemon in _of(temporary) if daemon.name() == "raylet"]:
                assert time.monotonic() < until
                time.sleep(0.05)
        else:
            next(line for line in process.stdout if '"epoch_reported"' in line)
        process.send_signal(signal.SIGKILL)
        process.stdout.read()  # hangs if anything that is left keeps the pipe open
        until = time.monotonic() + 15
        while (left := _of(temporary)) or [*sessions_folder().glob("session_2*")]:
            assert time.monotonic() < until, left
            time.sleep(0.2)


def test_the_watcher_ends_with_what_it_watches_and_removes_nothing(temporary: Path) -> None:
    folder = sessions_folder()
    own = folder / f"session_2026-11-30_12-34-26_919741_{os.getpid()}"
    own.mkdir()
    with watched(folder):
        (watcher,) = [child for child in _of(temporary) if child.ppid() == os.getpid()]
    assert not watcher.is_running()
    assert own.is_dir()


def _of(folder: Path) -> list[psutil.Process]:
    """The processes whose command names something in the folder."""
    return [child for child in psutil.process_iter() if str(folder) in " ".join(_words(child))]
