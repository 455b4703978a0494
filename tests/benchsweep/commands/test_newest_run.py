"""Commands that read a run take the newest one, and say which, if none is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from searches import formula_plan, search

from search.records.folder import RunFolder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newest") / "runs"
    for number, name in enumerate(("first", "newest", "between")):
        run = RunFolder(folder / name)
        search(run, formula_plan(name=name))
        os.utime(run.journal, (1e9, (1e9, 3e9, 2e9)[number]))
    return folder


@pytest.mark.parametrize("command", [["show"], ["status"], ["replay", "--pruner", "median"], ["report"]])
def test_the_run_that_was_written_to_last_is_taken_and_named(
    runs: Path, command: list[str], here: Any
) -> None:
    done = here(*command, "--runs", runs)
    assert done.code == 0, done.err
    assert "newest, the newest run in" in done.err
    assert "first, " not in done.out


def test_a_run_that_is_named_is_not_announced(runs: Path, here: Any) -> None:
    assert here("status", "first", "--runs", runs).err == ""


def test_without_any_run_the_way_to_start_one_is_shown(tmp_path: Path, here: Any) -> None:
    done = here("show", "--runs", tmp_path)
    assert done.code == 2
    assert "there is no run in" in done.err
    assert "benchsweep quickstart" in done.err
