"""Tables and text as Markdown in which nothing but our own marks has a meaning."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from reports.formatting.wording import setting

MEANING = re.compile(r"([\\`*\[\]|~])")
"""What Markdown reads as a mark inside a line. An underscore within a word is none."""


def text(value: Any) -> str:
    """A value on one line, its marks escaped: it shows as itself wherever it is put.

    HTML is escaped too, because Markdown lets it through. A missing value is empty.
    """
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    line = setting(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MEANING.sub(r"\\\1", line)


def code(value: str) -> str:
    """A command or a name between backticks: a longer fence than any run of them inside."""
    line = " ".join(value.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


def table(frame: pd.DataFrame) -> str:
    """The frame as a Markdown table, numbers aligned right; one line a row, no index."""
    names = [text(str(name)) for name in frame]
    marks = ["--:" if pd.api.types.is_numeric_dtype(kind) else "---" for kind in frame.dtypes]
    lines = [names, marks, *([text(cell) for cell in row] for row in frame.itertuples(index=False))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
