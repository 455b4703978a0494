"""Limits of this process under which Ray does not start."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from searches import plan, search

from search.cluster.access import THIS_MACHINE
from search.engine.ray_limits import LimitTooLow, check_limits
from search.engine.ray_sessions import session_of, sessions_folder
from search.engine.ray_tune.connection import EngineLost
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep


@contextmanager
def limited(limit: int, amount: int) -> Iterator[None]:
    """This process with a soft limit, in bytes."""
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (amount, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(limit, before)


def test_without_limits_ray_may_start() -> None:
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    check_limits(2**40)


@pytest.mark.parametrize(
    ("limit", "option", "missing"), [(resource.RLIMIT_AS, "v", 7 * 2**30), (resource.RLIMIT_FSIZE, "f", 0)]
)
def test_a_limit_is_too_low_below_what_ray_needs(limit: int, option: str, missing: int) -> None:
    store = 2**36
    with limited(limit, store + missing):
        check_limits(store)
    with limited(limit, store + missing - 1024), pytest.raises(LimitTooLow) as raised:
        check_limits(store)
    needed, allowed = (store + missing) // 1024, (store + missing) // 1024 - 1
    assert f"{needed:,} kB " in raised.value.message
    assert f"`ulimit -{option}` is {allowed:,} kB" in raised.value.message
    assert (
        raised.value.advice
        == f"raise it with `ulimit -{option} unlimited`, or train in this process with --local"
    )


def test_a_search_under_a_limit_ends_before_ray_starts_and_can_be_resumed(tmp_path: Path) -> None:
    run, given = RunFolder.named("small", tmp_path), plan(budget={"trials": 2})
    with limited(resource.RLIMIT_FSIZE, 100 * 1024), pytest.raises(LimitTooLow, match="is 100 kB"):
        search(run, given, THIS_MACHINE)
    assert Sweep.read(run.path).trials == ()
    search(run, given)
    assert len(Sweep.read(run.path).trials) == 2


def test_a_file_that_a_limit_cuts_ends_a_local_search_in_a_sentence_and_it_can_be_resumed(
    tmp_path: Path,
) -> None:
    run, given = RunFolder.named("small", tmp_path), plan(budget={"trials": 2})
    with limited(resource.RLIMIT_FSIZE, 50 * 1024), pytest.raises(OSError, match="File too large") as raised:
        search(run, given)
    assert "cannot store epoch 1" in str(raised.value)
    search(run, given)
    assert all(trial.state in (State.COMPLETE, State.PRUNED) for trial in Sweep.read(run.path).trials)


@pytest.mark.slow
def test_too_few_open_files_are_refused_before_ray_starts(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(plan(budget={"trials": 2}).to_toml())
    command = f'ulimit -n 50; exec "{sys.executable}" -m benchsweep run small.toml --runs . --quiet'
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Ray must be allowed 64 open files, but `ulimit -n` is 50; ")


def test_a_ray_that_does_not_start_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(EngineLost, match="Ray must start on this machine, but did not: ") as raised:
        search(RunFolder.named("small", tmp_path), plan(budget={"trials": 2}), THIS_MACHINE)
    assert "\n" not in raised.value.message
    session = session_of(sessions_folder(), os.getpid())
    assert session is None or not session.processes()
