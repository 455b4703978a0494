"""The last lines of a search: its result, its files, and what to type next."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from benchsweep import terminal
from benchsweep.progress.search import Progress
from benchsweep.screen.leaderboard import confirmation_table, leaderboard_table
from benchsweep.screen.lines import hyperparameters
from benchsweep.screen.live import OutputMode
from benchsweep.summary import summary
from benchsweep.terminal import say
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.confirmation import confirmation_summary
from reports.analysis.failures import failures
from reports.analysis.ranking import benchmark_applies, leaderboard, leaderboard_sentence
from reports.analysis.trials_frame import sampled_settings, states_sentence
from reports.analysis.winner import test_figure, winner_of
from reports.exports.model_card import model_card
from reports.formatting.wording import duration, plural
from reports.page import report as page
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from trainable.storage.durable import write_atomic

_DESCRIPTIONS = {
    "report.html": "the report, for a browser",
    "report.md": "the same as Markdown",
    "leaderboard.csv": "the leaderboard",
    "results.json": "everything, for scripts",
    "model.safetensors": "the winner's weights",
    "_model.pth": "the same as a PyTorch state dict",
    "MODEL_CARD.md": "what the model is, how it was chosen and how good it is",
}
"""By file name, in the order in which files are listed; state dicts are named after their data set."""


def write_report(
    sweep: Sweep, folder: Path, plotlyjs: Literal["inline", "cdn"] = "inline"
) -> dict[str, Path]:
    """Writes the report's files; returns their paths by name. plotlyjs: as in `reports.page.report.html`.
    Raises OSError if the folder cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    return page.write(sweep, read_benchmarks(), folder, plotlyjs)


def write_all(run: RunFolder) -> Sweep:
    """Writes the report, and the model card if there is a winner, to the run's folder; returns what they
    describe. Raises OSError."""
    sweep = Sweep.read(run.path)
    write_report(sweep, run.path)
    if winner_of(sweep) is not None:
        write_atomic(run.path / "MODEL_CARD.md", model_card(sweep))
    return sweep


def conclude(run: RunFolder, progress: Progress, output: OutputMode, next_commands: list[str]) -> Sweep:
    """Writes the report of a search that has ended and prints the end: a summary as the last JSON line, or
    text. Returns what they describe.

    next_commands: what to type next, the most likely first. The run must have been released: a run with an
    owner reads as running.
    """
    sweep = write_all(run)
    if output == "json":
        ended = progress.ended
        assert ended is not None
        line = {
            "event": "summary",
            **summary(sweep),
            "reason": ended.reason,
            "detail": ended.detail,
            "epochs_saved": progress.epochs_saved,
            "files": [str(path) for path in files(run)],
            "next": next_commands[0],
        }
        sys.stdout.write(terminal.json_line(line))
        return sweep
    console = terminal.out()
    _print_end(console, sweep, progress)
    print_confirmation(console, sweep)
    print_leaderboard(console, sweep)
    print_files(console, run)
    for label, command in zip(("Continue with:", "or with:      "), next_commands, strict=False):
        console.print(Text.assemble(f"{label} ", (command, "bold cyan")), soft_wrap=True)
    return sweep


def _print_end(console: Console, sweep: Sweep, progress: Progress) -> None:
    ended = progress.ended
    assert ended is not None
    if progress.started is None:
        outcome = f"is finished already: {ended.detail}, in {duration(sweep.seconds)}"
    elif ended.reason == "budget":
        outcome = f"is finished: {ended.detail}, in {duration(sweep.seconds)}"
    else:
        limit = f" of {progress.limits.trials:,}" if progress.limits.trials else ""
        finished = f"{len(progress.finished):,}{limit} trials are finished"
        outcome = f"was interrupted after {duration(ended.seconds)}: {finished}"
    saved = f"; pruning saved {plural(progress.epochs_saved, 'epoch')}" if progress.epochs_saved else ""
    say(console, Text.assemble((sweep.name, "bold"), f" {outcome}"))
    say(console, f"{states_sentence(sweep)}{saved}")
    for cause in failures(sweep)[:3]:
        say(console, f"{cause.state.lower()}, {plural(len(cause.trials), 'trial')}: {cause.text}")
    top = sweep.top()
    if top is not None:
        score = (sweep.metric.format(top.score), "bold green")
        metric = sweep.metric.name.replace("_", " ")
        sampled = hyperparameters(top.sampled, sampled_settings(sweep))
        label = "top score in search" if confirmation_summary(sweep) else "best"
        say(console, Text.assemble(f"{label}: trial {top.number} ({sampled}), {metric} ", score))
        if top.excess:
            say(console, "no complete trial keeps the constraints of the plan; this one breaks them least")


def print_confirmation(console: Console, sweep: Sweep) -> None:
    """Prints the candidates of the confirmation and what it shows; nothing if there is none."""
    confirmation = confirmation_summary(sweep)
    if confirmation is None:
        return
    console.print()
    console.print(confirmation_table(confirmation))
    console.print()
    say(console, " ".join(confirmation.sentences))


def print_leaderboard(console: Console, sweep: Sweep) -> None:
    """Prints our winner among the published results, or only its test metrics if it has no accuracy; nothing
    before the test set was opened."""
    frame = leaderboard(sweep, read_benchmarks())
    applies, reason = benchmark_applies(sweep)
    winner = winner_of(sweep)
    if winner is None:
        return
    if not frame["ours"].any() or not reason:
        figures = ", ".join(
            f"{name.replace('_', ' ')} {test_figure(sweep, name, value)}"
            for name, value in winner.metrics.items()
        )
        over = "" if len(winner.looks) == 1 else f", mean of {len(winner.looks)} seeds"
        on = f" on {plural(winner.evaluation.count, 'example')}" if winner.evaluation.count else ""
        say(console, f"test: {figures}{on}{over}")
        return
    console.print()
    console.print(leaderboard_table(frame))
    console.print()
    say(console, leaderboard_sentence(frame))
    if not applies:
        say(console, reason)


def files(run: RunFolder) -> list[Path]:
    """The files that a user may want to open: all except the run's own records."""
    records = {run.plan, run.environment, run.journal, run.lock, run.openings, run.saved, run.log}
    visible = [
        path
        for path in run.path.iterdir()
        if path.is_file() and path not in records and not path.name.startswith(".")
    ]
    order = [*_DESCRIPTIONS]

    def place(path: Path) -> tuple[int, str]:
        kind = _kind(path)
        return order.index(kind) if kind in order else len(order), path.name

    return sorted(visible, key=place)


def _kind(path: Path) -> str:
    """The file's key in `_DESCRIPTIONS`, if it has one."""
    return "_model.pth" if path.name.endswith("_model.pth") else path.name


def print_files(console: Console, run: RunFolder) -> None:
    """Prints the names of the files, each with a description."""
    listed = files(run)
    console.print()
    console.print(f"in {os.path.relpath(run.path) if run.path.is_relative_to(Path.cwd()) else run.path}:")
    width = max(len(path.name) for path in listed)
    for path in listed:
        console.print(f"  {path.name:{width}}  {_DESCRIPTIONS.get(_kind(path), '')}".rstrip(), soft_wrap=True)
    console.print()
