"""Starting a run, or starting it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, plan, search

from search.records.folder import RunFolder
from search.records.journal import JournalFile
from search.start import starting


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
