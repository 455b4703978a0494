"""`benchsweep doctor`: prints the findings about the machine and about a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsweep import terminal
from benchsweep.errors import FAILURE
from search.doctor import machine
from search.doctor.finding import CheckStatus, Finding, checked
from search.records.folder import RunFolder
from trainable.contract import DataSource, data_folder, is_built_in
from trainable.mnist.data import Source
from trainable.storage.record_file import NotARecord

_NAME = 13
"""Columns of a finding's name."""

_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


def examine(run: str | None, runs: Path, data_dir: Path | None, json: bool) -> None:
    """Prints each finding as soon as it is made. Exits with 1 if one is FAIL."""
    folder = None if run is None else _run_folder(run, runs)
    console = terminal.out()
    findings: list[Finding] = []
    animated = console.is_terminal and not json
    with console.status("checking; Ray takes a few seconds to start") if animated else nullcontext():
        for finding in _findings(folder, runs, data_folder(data_dir)):
            findings.append(finding)
            if not json:
                _print(console, finding)
    counts = {
        verdict.lower(): sum(finding.verdict is verdict for finding in findings)
        for verdict in (CheckStatus.PASS, CheckStatus.WARN, CheckStatus.FAIL)
    }
    if json:
        terminal.print_json({"findings": [vars(finding) for finding in findings], **counts})
    else:
        summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        console.print(f"\n{len(findings)} checks: {summary}")
    if counts["fail"]:
        raise typer.Exit(FAILURE)


def _run_folder(run: str, runs: Path) -> RunFolder:
    from benchsweep.find import run_folder  # takes a second to import

    return run_folder(run, runs)


def _findings(run: RunFolder | None, runs: Path, data: Path) -> Iterator[Finding]:
    source: DataSource | None = Source.model_validate({})
    name = "mnist"
    if run is not None:
        from search.doctor import run_files  # with what reads runs, it takes a second to import
        from search.plan.plan import PlanError

        yield from run_files.inspect(run)
        with suppress(PlanError, NotARecord, OSError):  # already a finding
            plan = run_files.read_plan(run)
            source, name = plan.source if is_built_in(plan.trainable) else None, plan.data.get("dataset", "")
    if source is not None and hasattr(source, "at_hand"):
        yield checked("data", lambda: machine.data_set(source, name, data))
    yield from machine.examine(runs if run is None else run.path, data)


def _print(console: Console, finding: Finding) -> None:
    """In columns, with the advice below; without a terminal, on one line each."""
    advice = Text(f"→ {finding.advice}", style="dim") if finding.advice else None
    if not console.is_terminal:
        console.print(f"{finding.verdict}  {finding.name:{_NAME}}  {finding.message}", soft_wrap=True)
        if advice is not None:
            console.print(f"{'':{_NAME + 6}}  {advice}", soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in (4, _NAME):
        table.add_column(width=width, no_wrap=True)
    table.add_column(overflow="fold")
    style = _STYLES[finding.verdict]
    table.add_row(Text(finding.verdict, style=style), Text(finding.name, style="dim"), Text(finding.message))
    if advice is not None:
        table.add_row("", "", advice)
    console.print(table)
