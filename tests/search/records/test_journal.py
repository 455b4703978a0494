"""A journal is read, repaired and written a transaction at a time."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.records.journal import (
    JournalCheck,
    JournalDamaged,
    JournalFile,
    StudyStorage,
    check_journal,
    repair,
)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _written(path: Path, sizes: list[int]) -> list[bytes]:
    """Transactions of so many lines each, written; what each is on disk."""
    journal = JournalFile(path)
    parts = []
    for number, size in enumerate(sizes):
        before = path.stat().st_size
        with journal.transaction():
            for line in range(size):
                journal.append_logs([{"op_code": 2, "transaction": number, "line": line}])
        parts.append(path.read_bytes()[before:])
    return parts


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_whatever_is_cut_off_the_end_whole_transactions_remain(tmp_path_factory, sizes, data):
    path = tmp_path_factory.mktemp("journal") / "study.journal"
    parts = _written(path, sizes)
    content = b"".join(parts)
    kept = data.draw(st.integers(0, len(content)))
    os.truncate(path, kept)
    whole = 0
    while whole < len(parts) and sum(map(len, parts[: whole + 1])) <= kept:
        whole += 1
    expected = sum(map(len, parts[:whole]))
    read = list(JournalFile(path).read_logs(0))
    assert check_journal(path) == JournalCheck(len(read), kept, expected)
    assert (repair(path) is None) is (expected == kept)
    assert path.read_bytes() == content[:expected]
    assert repair(path) is None
    assert [log["transaction"] for log in read] == [n for n in range(whole) for _ in range(sizes[n])]


def test_a_long_last_transaction_is_cut_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    journal = JournalFile(path)
    journal.append_logs([{"op_code": 2, "kept": True}])
    kept = path.stat().st_size
    with journal.transaction():
        for _ in range(40):
            journal.append_logs([{"op_code": 2, "text": "x" * 100_000}])
    os.truncate(path, path.stat().st_size - 1)
    assert "torn" in str(repair(path))
    assert path.stat().st_size == kept


def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    _written(path, [1, 1, 1])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\x00\x00\n" + lines[2])
    assert repair(path) is None
    for read in (check_journal, lambda path: JournalFile(path).read_logs(0)):
        with pytest.raises(JournalDamaged, match="line 2 of"):
            read(path)


def test_a_transaction_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    storage = StudyStorage(path)
    study = optuna.create_study(storage=storage)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), storage.transaction():
        study.ask().report(1 / 0, 1)
    assert path.read_bytes() == before


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_cannot_be_written_in_full_is_not_written_at_all(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=StudyStorage(path))
    before = path.read_bytes()
    with _file_size_limit(len(before) + 30), pytest.raises(OSError, match="File too large"):
        study.ask()
    assert path.read_bytes() == before


@pytest.mark.parametrize("act", ["removed", "replaced"])
def test_a_journal_that_was_taken_away_is_not_written_anew(tmp_path: Path, act: str) -> None:
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=StudyStorage(path))
    path.rename(tmp_path / "elsewhere")
    if act == "replaced":
        path.touch()
    with pytest.raises(FileNotFoundError, match="journal"):
        study.ask()
    assert path.exists() is (act == "replaced")
    assert not path.exists() or not path.read_bytes()


def test_a_reader_sees_a_transaction_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    _written(path, [2])
    reader = JournalFile(path)
    assert len(list(reader.read_logs(0))) == 2
    _written(path, [3])
    content = path.read_bytes()
    os.truncate(path, len(content) - 3)
    assert list(reader.read_logs(2)) == []
    path.write_bytes(content)
    assert [log["line"] for log in reader.read_logs(2)] == [0, 1, 2]
    assert list(reader.read_logs(5)) == []
    assert len(list(reader.read_logs(0))) == 5


def test_optunas_own_storage_reads_what_ours_wrote(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    storage = StudyStorage(path)
    study = optuna.create_study(storage=storage, study_name="ours")
    for _ in range(5):
        with storage.transaction():
            trial = study.ask()
            x = trial.suggest_float("x", 0, 1)
            trial.report(x, 1)
        study.tell(trial, x)
    theirs = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="ours")
    assert [one.values for one in theirs.trials] == [one.values for one in study.trials]
    assert [one.intermediate_values for one in theirs.trials] == [
        one.intermediate_values for one in study.trials
    ]
    assert any(line.get("more") for line in _lines(path))
