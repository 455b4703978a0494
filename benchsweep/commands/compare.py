"""`benchsweep compare`: several runs side by side. It starts nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.errors import UsageError
from benchsweep.options import RUNS, JsonOption, RunsOption

if TYPE_CHECKING:
    from reports.page.comparison import RunComparison
    from search.records.folder import RunFolder

_LONGEST = 80


def compare(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN…", help="2 to 12 runs: names below --runs, or paths of their folders."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Write compare.html and compare.md here, not into compare-RUN-RUN below --runs.",
            show_default=False,
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Compare runs: which found more, how soon, whether the difference is real, what differed.

    Two winners that were looked at on the same test examples are compared image by image over all their
    seeds; without that, over the seeds of their confirmations; where neither can be, it says why. Scores
    are held side by side only where metric and data are the same.

    It prints the verdict and writes a page, compare.html, and the same as Markdown, compare.md.

    --json prints one object and writes the page only for --output or --open: schema (2); runs (name, folder,
    state, metric, data_sha256 or null, group, trials, epochs, seconds, best (trial, score) or null, winner
    (name, metrics, seeds: on the test set) or null, incumbents (number, score, trials, epochs, seconds: what
    each best so far had cost), edf (scores, shares at least as good, count) or null); groups (the names of
    runs with the same metric and data); sentences; cautions; pairs (one, other, on: "test set",
    "validation" or null, metric, method: "images", "models", "seeds" or null, winners: name, seeds, mean,
    deviation; comparison: difference, low, high, p, level, or null; p: adjusted for all pairs; standing: the
    first run is better, tied or worse; why: they are not compared); differences (plan, space, environment:
    key -> run -> value in words).

    Exit codes: 0 whatever is found, 2 for runs that cannot be named so.
    """
    from benchsweep import terminal
    from reports.page.comparison import plain

    folders, told = _compared(run, runs)
    made: dict[str, Path] = {}
    if not json or output is not None or open_it:
        from reports.page.comparison_page import write

        where = (output or runs / default_folder([folder.name for folder in folders])).absolute()
        where.mkdir(parents=True, exist_ok=True)
        made = write(told, where)
    if json:
        terminal.print_json(plain(told))
    else:
        from benchsweep.screen.comparison import print_comparison

        print_comparison(terminal.out(), told)
        typer.echo()
        for path in made.values():
            typer.echo(str(path))
    if open_it:
        import webbrowser

        webbrowser.open(made["compare.html"].as_uri())


def _compared(named: Sequence[str], runs: Path) -> tuple[list[RunFolder], RunComparison]:
    from benchsweep.find import run_folder
    from reports.page.comparison import MOST, RunComparison
    from search.records.sweep import Sweep

    if not 2 <= len(named) <= MOST:
        raise UsageError(
            f"compare takes 2 to {MOST} runs, but got {len(named)}: {', '.join(named)}; "
            f"`benchsweep list` shows the runs there are"
        )
    folders = [run_folder(each, runs) for each in named]
    seen: dict[Path, str] = {}
    for each, folder in zip(named, folders, strict=True):
        real = folder.path.resolve()
        if real in seen:
            raise UsageError(
                f"each run must be named once, but {seen[real]} and {each} are both {real}; leave one out"
            )
        seen[real] = each
    return folders, RunComparison.of([Sweep.read(folder.path) for folder in folders])


def default_folder(names: Sequence[str]) -> str:
    """The name of the folder that a comparison is written to: "compare-laptop-gpu", with the number of
    further runs where it would grow too long."""
    joined = re.sub(r"[^\w.-]", "_", "compare-" + "-".join(names))
    if len(joined) <= _LONGEST:
        return joined
    first = re.sub(r"[^\w.-]", "_", names[0])[: _LONGEST // 2]
    return f"compare-{first}-and-{len(names) - 1}-more"
