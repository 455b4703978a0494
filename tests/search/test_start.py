"""Starting a run, or starting it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, plan, search

from search.records.folder import NotARun, RunFolder
from search.records.journal import JournalFile
from search.records.sweep import Sweep
from search.start import plan_of, starting


def test_a_run_that_is_started_again_replays_its_journal_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.named("small", tmp_path)
    given = plan(budget={"trials": 2})
    search(run, given)
    lines = len(run.journal.read_bytes().splitlines())
    read = Counter[str]()
    parse = JournalFile._read_new

    def counting(file: JournalFile) -> Iterator[dict[str, Any]]:
        for log in parse(file):
            read[file._path.name] += 1
            yield log

    monkeypatch.setattr(JournalFile, "_read_new", counting)
    with starting(run, given, NOWHERE, LOCAL) as started:
        assert started.before is not None
        assert len(started.before.trials) == 2
    assert read == {run.journal.name: lines}


class _Killed(BaseException):
    """In place of a signal."""


def test_a_run_whose_first_write_was_torn_has_its_plan_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.named("small", tmp_path)
    given = plan(budget={"trials": 2})

    def torn(file: JournalFile, logs: list[dict[str, Any]]) -> int:
        file._path.write_text('{"op_code": 0, "study')
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(JournalFile, "_write", torn)
        with pytest.raises(_Killed), starting(run, given, NOWHERE, LOCAL):
            pass
    assert run.journal.stat().st_size
    assert Sweep.read(run.path).status == "empty"
    with starting(run, plan_of, NOWHERE, LOCAL) as search:
        assert search.plan.to_table() == given.to_table()
        list(search)
    assert len(Sweep.read(run.path).trials) == 2


def test_a_torn_journal_alone_is_no_run_to_resume(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    run.path.mkdir()
    run.journal.write_text('{"op_code": 0, "study')
    with pytest.raises(NotARun), starting(run, plan_of, NOWHERE, LOCAL):
        pass
