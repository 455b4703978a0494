"""`benchsweep compare`: prints how several runs compare, and writes the page about it."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.find import run_folder
from benchsweep.screen.comparison import print_comparison
from reports.page.comparison import MOST, RunComparison
from reports.page.comparison_json import comparison_json
from reports.page.comparison_page import write
from search.records.folder import RunFolder
from search.records.sweep import Sweep

_MAX_NAME = 80
"""Characters of the default folder's name, at most."""


def compare_runs(names: Sequence[str], output: Path | None, open_it: bool, runs: Path, json: bool) -> None:
    """Prints the comparison. The page is written too, with `json` only if `output` or `open_it` asks for
    it."""
    folders = _distinct_folders(names, runs)
    comparison = RunComparison.of([Sweep.read(folder.path) for folder in folders])
    pages: dict[str, Path] = {}
    if not json or output is not None or open_it:
        target = (output or runs / default_folder([folder.name for folder in folders])).absolute()
        target.mkdir(parents=True, exist_ok=True)
        pages = write(comparison, target)
    if json:
        terminal.print_json(comparison_json(comparison))
    else:
        print_comparison(terminal.out(), comparison)
        typer.echo()
        for path in pages.values():
            typer.echo(str(path))
    if open_it:
        webbrowser.open(pages["compare.html"].as_uri())


def _distinct_folders(names: Sequence[str], runs: Path) -> list[RunFolder]:
    if not 2 <= len(names) <= MOST:
        raise UsageError(
            f"compare takes 2 to {MOST} runs, but got {len(names)}: {', '.join(names)}",
            "`benchsweep list` shows all runs",
        )
    folders = [run_folder(name, runs) for name in names]
    seen: dict[Path, str] = {}
    for name, folder in zip(names, folders, strict=True):
        path = folder.path.resolve()
        if path in seen:
            raise UsageError(
                f"each run may be named once, but {seen[path]} and {name} are both {path}",
                "remove one of them",
            )
        seen[path] = name
    return folders


def default_folder(names: Sequence[str]) -> str:
    """The name of the folder that a comparison is written to: "compare-laptop-gpu", or with the number of
    other runs if that would be too long."""
    joined = re.sub(r"[^\w.-]", "_", "compare-" + "-".join(names))
    if len(joined) <= _MAX_NAME:
        return joined
    first = re.sub(r"[^\w.-]", "_", names[0])[: _MAX_NAME // 2]
    return f"compare-{first}-and-{len(names) - 1}-more"
