"""Names and values within MLflow's limits."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from reports.exports.column import escape_surrogates
from reports.formatting.wording import plural

LONGEST_KEY = 250
"""Maximum characters of a metric's or a parameter's name."""

LONGEST_PARAM = 6000
"""Maximum characters of a parameter's value."""

LONGEST_TAG = 8000
"""Maximum characters of a tag's value."""

METRICS_PER_CALL = 900
"""With `PARAMS_PER_CALL` below MLflow's maximum of 1,000 of both in one call."""

PARAMS_PER_CALL = 100
"""MLflow's maximum of parameters in one call."""

ItemT = TypeVar("ItemT")


class MlflowLimits:
    """Changes names and values that MLflow does not accept, and counts the changes."""

    def __init__(self) -> None:
        self._renamed: set[str] = set()
        self._shortened: Counter[int] = Counter()

    def notes(self) -> tuple[str, ...]:
        """What was changed: a sentence for each kind of change."""
        notes = [
            f"{plural(count, 'value')} {'was' if count == 1 else 'were'} cut to MLflow's limit of {limit:,} "
            f"characters"
            for limit, count in sorted(self._shortened.items())
        ]
        if self._renamed:
            count = len(self._renamed)
            notes.append(
                f"{plural(count, 'name')} that MLflow does not accept {'was' if count == 1 else 'were'} "
                f"changed and end{'s' if count == 1 else ''} in a hash"
            )
        return tuple(notes)

    def key(self, name: str) -> str:
        """The name of a metric or a parameter, changed only if MLflow does not accept it."""
        key = re.sub(r"[^/\w.\- :]", "_", escape_surrogates(name))
        if posixpath.normpath(key) != key or key.startswith(("..", "/")) or key == ".":
            key = key.replace("/", "_").replace("..", "__") if key != "." else "_"
        if key == name and len(key) <= LONGEST_KEY:
            return key
        self._renamed.add(name)
        mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{key[: LONGEST_KEY - 9]}.{mark}"

    def shorten(self, value: str, limit: int) -> str:
        """The value, cut with an ellipsis if it is longer than `limit` characters."""
        text = escape_surrogates(value)
        if len(text) <= limit:
            return text
        self._shortened[limit] += 1
        return text[: limit - 1] + "…"


def batches(values: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """The values in lists of `size`; the last one may be shorter."""
    remaining = iter(values)
    while batch := list(islice(remaining, size)):
        yield batch
