"""A file or folder has its old or its new content, never a part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainable.storage.durable import write_atomic, write_folder, write_json


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": float("nan")})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The temporary file is a link to /dev/full, which accepts no bytes."""
    path = tmp_path / "file"
    write_atomic(path, "old")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    write_folder(path, {"a/old": b"old", "b": b"old"})
    write_folder(path, {"a/new": b"new"})
    assert [file.relative_to(path) for file in path.rglob("*") if file.is_file()] == [Path("a", "new")]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    write_folder(path, {"a": b"old"})
    with pytest.raises(OSError, match="File name too long"):
        write_folder(path, {"a": b"new", "x" * 300: b"new"})
    assert (path / "a").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
