"""A reader of a trial's epochs sees a prefix of what was stored, whenever it looks and whatever died."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainable.epoch import Epoch
from trainable.storage.epochs import EpochLog


def epoch(number: int, loss: float = 0.5) -> Epoch:
    return Epoch(number, {"loss": loss, "accuracy": 0.1 * number}, 1.5)


def epochs(count: int, loss: float = 0.5) -> tuple[Epoch, ...]:
    return tuple(epoch(number, loss) for number in range(1, count + 1))


def log_of(folder: Path, stored: tuple[Epoch, ...]) -> EpochLog:
    log = EpochLog(folder)
    for each in stored:
        log.append(each)
    return log


def test_what_is_appended_is_read_and_each_epoch_is_one_line(tmp_path: Path) -> None:
    log = log_of(tmp_path, epochs(3))
    assert log.read() == epochs(3)
    lines = log.path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [each.to_json() for each in epochs(3)]
    assert list(tmp_path.iterdir()) == [log.path]


def test_an_epoch_is_appended_without_writing_the_others_again(tmp_path: Path) -> None:
    log = log_of(tmp_path, epochs(2))
    before = log.path.stat().st_ino
    log.append(epoch(3))
    assert log.path.stat().st_ino == before
    assert log.read() == epochs(3)


def test_a_log_that_is_not_there_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        EpochLog(tmp_path).read()


@given(stored=st.integers(0, 5), again=st.integers(1, 6))
def test_an_epoch_trained_again_replaces_itself_and_those_after_it(
    stored: int, again: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = min(again, stored + 1)
    log = log_of(tmp_path_factory.mktemp("trial"), epochs(stored))
    log.append(epoch(again, loss=0.25))
    assert log.read() == (*epochs(again - 1), epoch(again, loss=0.25))


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_line_that_was_cut_short_is_not_read_and_is_replaced_by_the_next_append(
    cut: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = log_of(tmp_path_factory.mktemp("trial"), epochs(2))
    whole = log.path.read_bytes()
    log.append(epoch(3, loss=1 / 3))
    last = log.path.read_bytes()[len(whole) :]
    log.path.write_bytes(whole + last[: int(cut * (len(last) - 1))])
    assert log.read() == epochs(2)
    log.append(epoch(3))
    assert log.read() == epochs(3)


def test_only_the_line_break_of_the_last_epoch_may_be_missing(tmp_path: Path) -> None:
    log = log_of(tmp_path, epochs(3))
    log.path.write_bytes(log.path.read_bytes()[:-1])
    assert log.read() == epochs(3)
    log.append(epoch(4))
    assert log.read() == epochs(4)


@pytest.mark.parametrize(
    "content",
    ["[]", "{}\n", "null\n", "nonsense\n", '{"number": 1, "metrics": {"loss": NaN}, "seconds": 1}\n'],
)
def test_a_line_that_is_no_epoch_is_refused_by_its_number(content: str, tmp_path: Path) -> None:
    log = log_of(tmp_path, epochs(2))
    log.path.write_text(log.path.read_text() + content)
    with pytest.raises(ValueError, match="line 3 is not an epoch"):
        log.read()


@given(stored=st.integers(0, 4), trained=st.integers(1, 4), same=st.booleans())
def test_a_restored_log_begins_with_the_epochs_of_the_checkpoint(
    stored: int, trained: int, same: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = log_of(tmp_path_factory.mktemp("trial"), epochs(stored))
    checkpoint = epochs(trained, loss=0.5 if same else 0.25)
    log.restore(checkpoint)
    # Epochs beyond the checkpoint stay on record until they are trained again.
    assert log.read() == (epochs(max(stored, trained)) if same else checkpoint)
    log.append(epoch(trained + 1, loss=0.125))
    assert log.read() == (*checkpoint, epoch(trained + 1, loss=0.125))


def test_a_damaged_log_is_restored_from_the_checkpoint(tmp_path: Path) -> None:
    log = log_of(tmp_path, epochs(2))
    log.path.write_text("nonsense\n")
    log.restore(epochs(2))
    assert log.read() == epochs(2)


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(tmp_path, epochs(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        log.append(epoch(2))
    assert str(log.path) in str(raised.value)


def test_a_reader_beside_the_writer_sees_a_prefix_at_every_moment(tmp_path: Path) -> None:
    log = log_of(tmp_path, epochs(1))
    stop = threading.Event()
    wrong: list[tuple[Epoch, ...]] = []

    def watch() -> None:
        while not stop.is_set():
            found = log.read()
            if found != epochs(len(found)):
                wrong.append(found)

    reader = threading.Thread(target=watch)
    reader.start()
    for number in range(2, 100):
        log.append(epoch(number))
        if number % 10 == 0:  # an epoch trained again
            log.append(epoch(number))
    stop.set()
    reader.join()
    assert not wrong
    assert log.read() == epochs(99)
