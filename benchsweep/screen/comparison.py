"""A comparison of runs for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsweep.terminal import say
from reports.analysis.contrast import Contrast
from reports.analysis.runs import ComparedRun
from reports.formatting.wording import NOTHING, duration, shorten
from reports.page.comparison import RunComparison
from reports.page.comparison_overview import fresh_words, test_words

_MAX_COLUMNS = 3
"""Up to this number of runs, a difference is one row of a table; with more, each value has its own line."""


def print_comparison(console: Console, comparison: RunComparison) -> None:
    """Prints a row for each run, the verdict, and the differences."""
    console.print(_overview(comparison.runs))
    console.print()
    for sentence in (*comparison.sentences, *comparison.cautions):
        say(console, sentence)
    for title, contrasts in (
        ("plan", comparison.plan),
        ("search space", comparison.space),
        ("environment", comparison.environment),
    ):
        if contrasts:
            console.print()
            _print_contrasts(console, comparison.runs, title, contrasts)


def _overview(runs: Sequence[ComparedRun]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run")
    table.add_column("state")
    for name in ("trials", "time", "top score", "fresh seeds", "test set"):
        table.add_column(name, justify="right")
    for run in runs:
        sweep = run.sweep
        top = sweep.top()
        cells = [
            sweep.status,
            f"{len(sweep.trials):,}",
            duration(sweep.seconds),
            NOTHING if top is None else sweep.metric.format(top.score),
            fresh_words(sweep),
            test_words(sweep),
        ]
        table.add_row(Text(run.short, overflow="fold"), *(Text(cell, no_wrap=True) for cell in cells))
    return table


def _print_contrasts(
    console: Console, runs: Sequence[ComparedRun], title: str, contrasts: Sequence[Contrast]
) -> None:
    if len(runs) <= _MAX_COLUMNS:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(title, overflow="fold")
        for run in runs:
            table.add_column(Text(run.short), overflow="fold")
        for contrast in contrasts:
            cells = (contrast.key, *contrast.values)
            table.add_row(*(Text(shorten(cell, 120), overflow="fold") for cell in cells))
        console.print(table)
        return
    console.print(Text(title, style="bold"))
    for contrast in contrasts:
        console.print(Text(contrast.key))
        runs_by_value: dict[str, list[str]] = {}
        for run, value in zip(runs, contrast.values, strict=True):
            runs_by_value.setdefault(value, []).append(run.short)
        for value, names in runs_by_value.items():
            line = Text.assemble(f"  {shorten(value, 120)}  ", (", ".join(names), "dim"))
            console.print(line, soft_wrap=not console.is_terminal)
