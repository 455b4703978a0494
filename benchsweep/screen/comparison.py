"""A comparison of runs as people read it in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsweep.terminal import say
from reports.analysis.contrast import Contrast
from reports.analysis.runs import ComparedRun
from reports.formatting.wording import NOTHING, duration, shorten
from reports.page.comparison import RunComparison, fresh_words, test_words

_WIDE = 3
"""Runs up to which a difference is one row of a table; more have a line each."""


def print_comparison(console: Console, told: RunComparison) -> None:
    """Each run in a row, the verdict, and what differs."""
    console.print(_overview(told.runs))
    console.print()
    for sentence in (*told.sentences, *told.cautions):
        say(console, sentence)
    for title, rows in (
        ("plan", told.plan),
        ("search space", told.space),
        ("environment", told.environment),
    ):
        if rows:
            console.print()
            _print_contrasts(console, told.runs, title, rows)


def _overview(runs: Sequence[ComparedRun]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("run", "state", "trials>", "time>", "best>", "fresh seeds>", "test set>"):
        table.add_column(head.rstrip(">"), justify="right" if head.endswith(">") else "left")
    for run in runs:
        sweep = run.sweep
        best = sweep.best()
        cells = [
            run.short,
            sweep.status,
            f"{len(sweep.trials):,}",
            duration(sweep.seconds),
            NOTHING if best is None else sweep.metric.format(best.score),
            fresh_words(sweep).partition(",")[0],
            test_words(sweep),
        ]
        table.add_row(Text(cells[0], overflow="fold"), *(Text(cell, no_wrap=True) for cell in cells[1:]))
    return table


def _print_contrasts(
    console: Console, runs: Sequence[ComparedRun], title: str, rows: Sequence[Contrast]
) -> None:
    if len(runs) <= _WIDE:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(title, overflow="fold")
        for run in runs:
            table.add_column(Text(run.short), overflow="fold")
        for row in rows:
            table.add_row(*(Text(shorten(cell, 120), overflow="fold") for cell in (row.key, *row.values)))
        console.print(table)
        return
    console.print(Text(title, style="bold"))
    for row in rows:
        console.print(Text(row.key))
        alike: dict[str, list[str]] = {}
        for run, value in zip(runs, row.values, strict=True):
            alike.setdefault(value, []).append(run.short)
        for value, names in alike.items():
            line = Text.assemble(f"  {shorten(value, 120)}  ", (", ".join(names), "dim"))
            console.print(line, soft_wrap=not console.is_terminal)
