"""The size of a plan: larger ones are refused before anything walks, copies or prints them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from search.plan.fault import Fault, KeyPath

MAX_BYTES = 1_000_000
"""Maximum size of a plan's file, in bytes."""
MAX_DEPTH = 32
"""Maximum number of tables and lists in each other, and of keys in a dotted key."""
MAX_DIGITS = 300
"""Maximum number of digits of a whole number. All of these are finite as floats too."""
MAX_NAME = 200
"""Maximum length of a module's name, in characters."""

DEEP = f"tables and lists must be at most {MAX_DEPTH} levels deep"
"""The rule of `MAX_DEPTH`."""
LONG = f"a whole number must have at most {MAX_DIGITS} digits"
"""The rule of `MAX_DIGITS`."""

_LARGEST = 10**MAX_DIGITS
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_DEEP_KEY = re.compile(rf"(?<![\w.\"'-])(?:{_PART}[ \t]*\.[ \t]*){{{MAX_DEPTH},}}")


def has_deep_key(text: str) -> bool:
    """Whether the text of a plan has a dotted key of more than `MAX_DEPTH` keys, which tomllib reads in
    quadratic time."""
    return _DEEP_KEY.search(text) is not None


def limit_faults(table: Mapping[str, Any]) -> list[Fault]:
    """The first value that is too large or too deep, or is text that no file can hold."""
    queue: list[tuple[KeyPath, Any]] = [((key,), value) for key, value in table.items()]
    while queue:
        path, value = queue.pop()
        if isinstance(value, str) and not _is_unicode(value):
            return [Fault(path, f"must be valid Unicode text, but got {value[:60]!a}")]
        if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
            return [Fault(path, LONG)]
        if not isinstance(value, Mapping | list):
            continue
        if len(path) > MAX_DEPTH:
            return [Fault(path[:3], DEEP)]
        if isinstance(value, list):
            queue += [((*path, str(index)), item) for index, item in enumerate(value)]
            continue
        for key, item in value.items():
            if not _is_unicode(key):
                return [Fault(path, f"a key must be valid Unicode text, but got {key[:60]!a}")]
            queue.append(((*path, key), item))
    return []


def _is_unicode(text: str) -> bool:
    # The command line passes bytes that are not UTF-8 as lone surrogates.
    return not any("\ud800" <= character <= "\udfff" for character in text)
