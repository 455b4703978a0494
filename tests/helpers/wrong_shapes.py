"""What a record may hold in place of what belongs there: small, harmless, and of the wrong shape."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DEEP = "[" * 5000 + "]" * 5000
VALUES: dict[str, str] = {
    "null": "null",
    "list": "[]",
    "list of lists": "[[1]]",
    "table": "{}",
    "table of tables": '{"x": {"y": 1}}',
    "negative": "-3",
    "fraction": "2.5",
    "text": '"x"',
    "many digits": "9" * 400,
    "NaN": "NaN",
    "infinity": "-Infinity",
    "deep": DEEP,
}
"""JSON text by name."""
_MARK = "\u0001here\u0001"


def places(document: Any, depth: int = 6) -> Iterator[tuple[str | int, ...]]:
    """The paths to every part of a JSON document, of a list's items to the first alone."""
    yield ()
    if depth and isinstance(document, dict):
        for key, value in document.items():
            yield from ((key, *rest) for rest in places(value, depth - 1))
    elif depth and isinstance(document, list) and document:
        yield from ((0, *rest) for rest in places(document[0], depth - 1))


def replaced(document: Any, place: tuple[str | int, ...], value: str) -> str:
    """The document as JSON text, with JSON text in place of the part at `place`."""
    if not place:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = _MARK
    return json.dumps(changed).replace(json.dumps(_MARK), value)


def without(document: Any, place: tuple[str | int, ...]) -> str:
    """The document as JSON text, without the part at `place`, which is not ()."""
    changed = copy.deepcopy(document)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    del parent[place[-1]]
    return json.dumps(changed)


def wrong_documents(document: Any) -> Iterator[tuple[str, str]]:
    """What was replaced, and the document as JSON text with it."""
    for place in places(document):
        for name, value in VALUES.items():
            yield f"{place}: {name}", replaced(document, place, value)
        if place:
            yield f"{place}: left out", without(document, place)


def _bytes(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)  # a hole, which takes no room


FILES: dict[str, Callable[[Path], None]] = {
    "empty": _bytes(b""),
    "no text": _bytes(b"\xff\xfe\x00"),
    "half a line": _bytes(b'{"a": '),
    "a folder": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a link to itself": _loop,
    "a device": _device,
    "huge": _huge,
    **{name: _bytes(value.encode() + b"\n") for name, value in VALUES.items()},
}
"""What may stand where a file belongs, by name: functions that make it at a path where nothing is."""
