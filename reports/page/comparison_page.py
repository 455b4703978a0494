"""The page of a comparison, compare.html and compare.md, with the report's layout and guarantees."""

from __future__ import annotations

from pathlib import Path

from reports.page.comparison import RunComparison
from reports.page.template import environment, page
from trainable.storage.durable import write_atomic


def write(comparison: RunComparison, folder: Path) -> dict[str, Path]:
    """Writes both files into `folder` atomically, and returns their paths by name.

    The same runs give the same bytes. Raises OSError if the folder is not writable.
    """
    contents = {"compare.html": html(comparison), "compare.md": as_markdown(comparison)}
    for name, content in contents.items():
        # A file name in a plan may contain an unpaired surrogate.
        write_atomic(folder / name, content.encode("utf-8", "backslashreplace"))
    return {name: folder / name for name in contents}


def html(comparison: RunComparison) -> str:
    """The page."""
    return page(
        "compare.html",
        comparison.contents,
        comparison.sections,
        ["page.js"],
        {},
        "inline",
        comparison=comparison,
    )


def as_markdown(comparison: RunComparison) -> str:
    """The comparison as Markdown, without the drawings."""
    return environment(autoescape=False).get_template("compare.md").render(comparison=comparison)
