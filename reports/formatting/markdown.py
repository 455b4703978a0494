"""Tables and text as Markdown, with everything escaped that Markdown would interpret."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from reports.formatting.wording import setting

SPECIAL = re.compile(r"([\\`*|~])")
"""Characters that are markup inside a line. An underscore within a word is not."""
LINK = re.compile(r"\]\s*[(\[:]|\[\^")
"""What makes brackets a link or a footnote; elsewhere they show as they are."""
BRACKET = re.compile(r"([\[\]])")
TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""What begins HTML; "p < 0.001" does not."""
ENTITY = re.compile(r"&(?=#?\w+;)")
"""What begins a character's name in HTML."""


def text(value: Any) -> str:
    """A value on one line, escaped so that it shows literally. A missing value is empty.

    HTML is escaped too because Markdown passes it through.
    """
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    plain = setting(value)
    line = SPECIAL.sub(r"\\\1", TAG.sub("&lt;", ENTITY.sub("&amp;", plain)))
    if LINK.search(plain):
        line = BRACKET.sub(r"\\\1", line)
    return f"&gt;{line[1:]}" if line.startswith(">") else line


def code(value: str) -> str:
    """A command or a name between backticks: a longer fence than any run of backticks inside."""
    line = " ".join(value.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


def table(frame: pd.DataFrame) -> str:
    """The frame as a Markdown table without its index; numbers are right-aligned."""
    names = [text(str(name)) for name in frame]
    rules = ["--:" if pd.api.types.is_numeric_dtype(dtype) else "---" for dtype in frame.dtypes]
    lines = [names, rules, *([text(cell) for cell in row] for row in frame.itertuples(index=False))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
