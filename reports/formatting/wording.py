"""Values as text, the same on the page, in Markdown and in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.statistics.intervals import Interval

NOTHING = "–"
"""Shown for a missing value: an en dash, as in `Metric.format`."""

LONGEST = 400
"""Maximum characters of a string in a table or a plot; data files hold all of it."""


def setting(value: Any) -> str:
    """A hyperparameter's value: floats to four significant digits, text unchanged, lists as in TOML."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, Mapping):
        return shorten(", ".join(f"{key} = {_nested(item)}" for key, item in value.items()))
    if isinstance(value, Sequence):
        return shorten("[" + ", ".join(setting(item) for item in value) + "]")
    return shorten(str(value))


def _nested(value: Any) -> str:
    """A value within a table; a nested table is enclosed in braces."""
    return f"{{ {setting(value)} }}" if isinstance(value, Mapping) else setting(value)


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut with an ellipsis if it is longer than `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def flatten(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested table as (dotted key, value) rows, in the table's order."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flatten(value, f"{name}.")
        else:
            rows.append((name, setting(value)))
    return rows


def plural(count: int, singular: str, several: str = "") -> str:
    """ "1 trial", "2 trials", "10,000 images"."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"


def percent(interval: Interval) -> str:
    """ "98.11 to 98.61 %"."""
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"


def whole_percent(share: float) -> str:
    """ "78 %": a share, 0..1, whose decimals mean nothing."""
    return f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """ "0.8 s", "47 s", "13 min 32 s", "3 h 05 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60:02d} min"


def steady(value: float) -> float:
    """The value to nine significant digits: the last bits of a sum differ between processors, but the same
    records must give the same report."""
    return float(f"{value:.9g}")


def moment(time: datetime | None) -> str:
    """ "2026-11-20 09:30 UTC"."""
    return NOTHING if time is None else time.strftime("%Y-%m-%d %H:%M UTC")


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def capitalized(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def plain_json(value: Any) -> Any:
    """The value as plain JSON: NaN and infinities become null, dates and paths text, tuples and sets
    lists."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(item) for item in value]
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return None
    except TypeError:
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return value
