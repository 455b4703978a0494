"""Text in Markdown: what would be markup is escaped, and nothing else."""

from __future__ import annotations

import pytest

from reports.formatting.markdown import text


@pytest.mark.parametrize(
    "plain",
    ["significant (p < 0.001)", "40 -> 60", "[128, 64]", "[space] gamma", "learning_rate & dropout", "a > b"],
)
def test_what_is_no_markup_shows_as_it_is(plain: str) -> None:
    assert text(plain) == plain


@pytest.mark.parametrize(
    ("markup", "escaped"),
    [
        ("<b>bold", "&lt;b>bold"),
        ("</b>", "&lt;/b>"),
        ("<!-- x", "&lt;!-- x"),
        ("&lt;", "&amp;lt;"),
        ("[x](http://u)", "\\[x\\](http://u)"),
        ("[x]: http://u", "\\[x\\]: http://u"),
        ("> quoted", "&gt; quoted"),
        ("a | b *c*", "a \\| b \\*c\\*"),
    ],
)
def test_markup_is_escaped(markup: str, escaped: str) -> None:
    assert text(markup) == escaped
