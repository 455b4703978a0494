"""A run whose files did not change is listed as it was, and read again as soon as one of them did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searches import formula_plan, search

from benchsweep.actions.list_runs import list_runs
from benchsweep.kept_summaries import cache_folder, fingerprint_of
from benchsweep.summary import summary
from reports.formatting.wording import plain_json
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import Sweep

LISTED = """
import sys
from pathlib import Path
from benchsweep.actions.list_runs import list_runs
list_runs(Path(sys.argv[1]), False)
print("optuna" in sys.modules, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = RunFolder(tmp_path_factory.mktemp("runs") / "small")
    search(run, formula_plan())
    return run


@pytest.fixture
def run(finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(finished.path, tmp_path / "runs" / "small")
    return RunFolder(tmp_path / "runs" / "small")


def listed(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    list_runs(run.path.parent, json=True)
    (only,) = json.loads(capsys.readouterr().out)
    return dict(only)


def reads(run: RunFolder) -> bool:
    """Whether a new `benchsweep list` imports what reads a run."""
    arguments = [sys.executable, "-c", LISTED, str(run.path.parent)]
    return "True" in subprocess.run(arguments, capture_output=True, text=True, check=True).stderr


def test_a_run_that_did_not_change_is_not_read_again_and_looks_the_same(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    first = listed(run, capsys)
    assert first == plain_json(summary(Sweep.read(run.path)))
    assert listed(run, capsys) == first
    assert not reads(run)


def add_a_trial(run: RunFolder) -> None:
    search(run, formula_plan(budget={"trials": 5}))


def damage_an_epoch(run: RunFolder) -> None:
    run.trial(0).epochs.write_text("garbage\n")


def damage_the_journal(run: RunFolder) -> None:
    run.journal.write_text("garbage\ngarbage\n")


@pytest.mark.parametrize(
    ("change", "state"),
    [(add_a_trial, "finished"), (damage_an_epoch, "unreadable"), (damage_the_journal, "unreadable")],
)
def test_a_run_that_changed_is_read_again(
    run: RunFolder,
    change: Callable[[RunFolder], None],
    state: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = listed(run, capsys)
    change(run)
    after = listed(run, capsys)
    assert after != before
    assert after["state"] == state


def test_a_run_that_a_process_owns_is_read_each_time(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    listed(run, capsys)
    with owning(run.lock):
        assert fingerprint_of(run.path) is None
        assert listed(run, capsys)["state"] == "running"
    assert listed(run, capsys)["state"] != "running"


@pytest.mark.parametrize("content", ["", "[]", '{"code": 1, "runs": []}', "\x00"])
def test_a_cache_that_cannot_be_read_is_replaced(
    run: RunFolder, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = listed(run, capsys)
    path = cache_folder() / "summaries.json"
    path.write_text(content)
    assert listed(run, capsys) == first
    assert str(run.path) in path.read_text()


def test_the_cache_is_readable_by_its_user_only(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    listed(run, capsys)
    assert cache_folder().stat().st_mode & 0o077 == 0


def test_without_a_folder_to_write_to_runs_are_listed_all_the_same(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert listed(run, capsys)["name"] == "small"
