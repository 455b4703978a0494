"""Files of records, which somebody else may have made or damaged: opened and parsed within bounds."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from trainable.errors import BenchsweepError

MAX_SIZE = 1 << 28
"""Bytes of a record that is read at once, at most."""
MAX_DEPTH = 64
"""Lists and objects in one another in a record, at most."""
_MANY_DIGITS = re.compile(rb"\d{300}")
"""A number that may not fit a float. Looked for first, because checking every number takes longer."""


class NotARecord(BenchsweepError, ValueError):
    """The file is not one that a run writes: no regular file, or too large."""


def open_record(path: Path) -> BinaryIO:
    """Opens a regular file for reading. A FIFO or a device could block for ever, and is not opened.

    Raises NotARecord, and OSError (FileNotFoundError).
    """
    _check_regular(path, path.stat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_regular(path, os.fstat(descriptor).st_mode)  # it may have been replaced in between
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_record(path: Path) -> str:
    """Returns the text of a file of at most MAX_SIZE bytes. Raises NotARecord, OSError, and
    UnicodeDecodeError (a ValueError) if it is not UTF-8."""
    with open_record(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_SIZE:
            raise NotARecord(
                f"a record must have at most {MAX_SIZE:,} bytes, but {path} has more",
                "restore it from a copy, or remove it",
            )
        return file.read(MAX_SIZE).decode()


def parse_json(text: str | bytes) -> Any:
    """Returns the value of a JSON document. Raises ValueError, also if it is nested deeper than MAX_DEPTH, or
    has a whole number that is too large for a float."""
    content = text.encode() if isinstance(text, str) else text
    try:
        if _MANY_DIGITS.search(content):
            value = json.loads(content, parse_int=_bounded_int)
        else:
            value = json.loads(content)
    except RecursionError:
        raise _too_deep() from None
    if content.count(b"[") + content.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _bounded_int(digits: str) -> int:
    if len(digits) > 308:
        raise ValueError(f"a number must be below 1e308, but one has {len(digits)} digits")
    return int(digits)


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise _too_deep()
        inside: list[Any] = []
        for part in level:
            if isinstance(part, Mapping):
                inside += part.values()
            elif isinstance(part, list):
                inside += part
        level, depth = inside, depth + 1


def _too_deep() -> ValueError:
    return ValueError(f"lists and objects must be nested at most {MAX_DEPTH} deep")


def _check_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
        raise NotARecord(
            f"a record must be a regular file, but {path} is {kinds.get(stat.S_IFMT(mode), 'a device')}",
            "remove it, or restore the file from a copy",
        )
