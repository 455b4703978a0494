"""`benchsweep doctor`: checks of this machine, and of the files of a run."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.errors import FAILURE
from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from search.doctor.finding import Finding
    from search.records.folder import RunFolder
    from trainable.contract import DataSource

_NAME = 13
"""Columns of a finding's name."""

_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


def doctor(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Check this run as well.", show_default=False)
    ] = None,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Check this machine and, with RUN, the files of that run. Changes nothing; takes about 15 s.

    Machine: versions, devices, memory, disks, locks, ports, the data, and whether Ray starts. Run, live or
    not: whether plan, journal, epochs, checkpoints and openings of the test set are intact and agree. Each
    finding that is not a PASS comes with advice.

    --json prints one object: findings (each with name, verdict, message and advice), and the numbers of
    pass, warn and fail. verdict is PASS, WARN (it works, but slower than it could, or something dispensable
    is lost) or FAIL (a search would stop, or a result is lost).

    Exit codes: 0 no FAIL, 1 a FAIL.
    """
    from benchsweep import terminal
    from benchsweep.find import run_folder
    from search.doctor.finding import CheckStatus
    from trainable.contract import data_folder

    folder = None if run is None else run_folder(run, runs)
    console = terminal.out()
    findings: list[Finding] = []
    animated = console.is_terminal and not json
    with console.status("checking; Ray takes some seconds to start") if animated else nullcontext():
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


def _findings(run: RunFolder | None, runs: Path, data: Path) -> Iterator[Finding]:
    from search.doctor import machine, run_files
    from search.doctor.finding import checked
    from search.plan.plan import Plan, PlanError
    from trainable.mnist.data import Source

    source: DataSource = Source.model_validate({})
    name = "mnist"
    if run is not None:
        yield from run_files.inspect(run)
        with suppress(PlanError):  # already a finding
            plan = Plan.read(run.plan)
            source, name = plan.source, plan.data.get("dataset", plan.trainable)
    if hasattr(source, "at_hand"):  # optional for a user's own Source
        yield checked("data", lambda: machine.data_set(source, name, data))
    yield from machine.examine(runs if run is None else run.path, data)


def _print(console: Console, finding: Finding) -> None:
    """A finding in columns with its advice below; without a terminal, one line each."""
    from rich.table import Table
    from rich.text import Text

    style = _STYLES[finding.verdict]
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
    table.add_row(Text(finding.verdict, style=style), Text(finding.name, style="dim"), Text(finding.message))
    if advice is not None:
        table.add_row("", "", advice)
    console.print(table)
