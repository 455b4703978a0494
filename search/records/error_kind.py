"""Which errors are of one kind: those that differ only in their values."""

from __future__ import annotations

import re

_VALUES = re.compile(
    r"""
    (?P<quoted>(?<!\w)'[^'\n]*'(?!\w)|"[^"\n]*"|`[^`\n]*`)
    |(?P<path>(?<![\w./\\])(?:~?/|[A-Za-z]:\\)[^\s:,;)\]'"]+)
    |(?P<id>\b(?:0[xX][0-9a-fA-F]+|(?=[a-f]*\d)[0-9a-f]{12,})\b)
    |(?P<number>(?<![\w.])[+-]?(?:\d[\d,_]*(?:\.\d+)?(?:[eE][+-]?\d+)?|(?:nan|inf)\b))
    """,
    re.VERBOSE,
)
"""What differs between two messages of the same kind."""


def kind_of_error(error: str) -> str:
    """The error without its values: numbers, addresses, paths and quoted text become placeholders."""
    return _VALUES.sub(lambda match: f"<{match.lastgroup}>", error)
