"""How values are put into words, the same in the page, the Markdown and the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.statistics.intervals import Interval

NOTHING = "–"
"""What stands where there is no value: an en dash, as in `Metric.format`."""

LONGEST = 400
"""Characters of a string that a table or a plot shows; data files hold the whole."""


def setting(value: Any) -> str:
    """A setting's value: floats to four significant digits, text as it is, lists as in TOML."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, Mapping):
        rows = (f"{key} = {_inner(held)}" for key, held in value.items())
        return shorten(", ".join(rows))
    if isinstance(value, Sequence):
        return shorten("[" + ", ".join(setting(held) for held in value) + "]")
    return shorten(str(value))


def _inner(value: Any) -> str:
    """A value within a table: a table of its own is told apart by braces."""
    return f"{{ {setting(value)} }}" if isinstance(value, Mapping) else setting(value)


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut with an ellipsis where it is longer than `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def flatten(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested table as (dotted key, value) rows, in its own order."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flatten(value, f"{name}.")
        else:
            rows.append((name, setting(value)))
    return rows


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 trial", "2 trials", "10,000 images"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(interval: Interval) -> str:
    """ "98.11 to 98.61 %"."""
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"


def whole_percent(share: float) -> str:
    """ "78 %": of a share, 0..1, that is not known more closely."""
    return f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """ "0.8 s", "47 s", "13 min 32 s", "3 h 05 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def steady(value: float) -> float:
    """The value to nine significant digits: the last bits of a sum differ between processors, and the same
    records are to give the same report."""
    return float(f"{value:.9g}")


def moment(time: datetime | None) -> str:
    """ "2026-11-20 09:30 UTC"."""
    return NOTHING if time is None else time.strftime("%Y-%m-%d %H:%M UTC")


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def plain_json(value: Any) -> Any:
    """The value with nothing in it that JSON cannot hold: NaN and infinities become null, dates
    and paths text, tuples lists."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(held) for held in value]
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return None
    except TypeError:
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return value
