"""The last lines of a search: what came of it, where it lies, and what to type next."""

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
from benchsweep.screen.lines import settings
from benchsweep.summary import summary
from benchsweep.terminal import say
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.confirmation import confirmation_summary
from reports.analysis.failures import failures
from reports.analysis.ranking import benchmark_applies, leaderboard, leaderboard_sentence
from reports.analysis.trials_frame import sampled_settings, states_sentence
from reports.analysis.winner import winner_of
from reports.exports.model_card import model_card
from reports.formatting.wording import duration, plural
from reports.page import report as page
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from trainable.storage.durable import write_atomic

_PURPOSES = {
    "report.html": "the report, to be opened in a browser",
    "report.md": "the same as Markdown",
    "leaderboard.csv": "the leaderboard",
    "results.json": "everything, for scripts",
    "model.safetensors": "the winner's weights",
    "mnist_model.pth": "the same as a PyTorch state dict",
    "MODEL_CARD.md": "what that model is, how it was chosen and how good it is",
}


def write_report(
    sweep: Sweep, folder: Path, plotlyjs: Literal["inline", "cdn"] = "inline"
) -> dict[str, Path]:
    """The report's files, by name. plotlyjs: see `reports.page.report.html`. Raises OSError when the folder
    cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    return page.write(sweep, read_benchmarks(), folder, plotlyjs)


def write_all(run: RunFolder) -> Sweep:
    """The report, and once there is a winner its model card, in the run's folder; what they tell of.
    Raises OSError."""
    sweep = Sweep.read(run.path)
    write_report(sweep, run.path)
    if winner_of(sweep) is not None:
        write_atomic(run.path / "MODEL_CARD.md", model_card(sweep))
    return sweep


def conclude(run: RunFolder, progress: Progress, form: str, next_commands: list[str]) -> None:
    """Write the report on a search that ended, and print its end: a summary as the last JSON line,
    or text. next_commands: what to type now; the first is the one to go on with.

    To be called when the run is owned no more, for an owned run reads as running.
    """
    sweep = write_all(run)
    if form == "json":
        ended = progress.ended
        assert ended is not None
        line = {
            "event": "summary",
            **summary(sweep),
            "reason": ended.reason,
            "detail": ended.detail,
            "epochs_saved": progress.saved,
            "files": [str(path) for path in files(run)],
            "next": next_commands[0],
        }
        sys.stdout.write(terminal.json_line(line))
        return
    console = terminal.out()
    _print_end(console, sweep, progress)
    print_confirmation(console, sweep)
    print_leaderboard(console, sweep)
    print_files(console, run)
    for label, command in zip(("go on with:", "or with:   "), next_commands, strict=False):
        console.print(Text.assemble(f"{label} ", (command, "bold cyan")), soft_wrap=True)


def _print_end(console: Console, sweep: Sweep, progress: Progress) -> None:
    ended = progress.ended
    assert ended is not None
    if progress.started is None:
        head = f"is finished already: {ended.detail}, in {duration(sweep.seconds)}"
    elif ended.reason == "budget":
        head = f"is finished: {ended.detail}, in {duration(sweep.seconds)}"
    else:
        of = f" of {progress.limits.trials:,}" if progress.limits.trials else ""
        done = f"{len(progress.finished):,}{of} trials are finished"
        head = f"was interrupted after {duration(ended.seconds)}: {done}"
    saved = f"; pruning saved {plural(progress.saved, 'epoch')}" if progress.saved else ""
    say(console, Text.assemble((sweep.name, "bold"), f" {head}"))
    say(console, f"{states_sentence(sweep)}{saved}")
    for cause in failures(sweep)[:3]:
        say(console, f"{cause.state.lower()}, {plural(len(cause.trials), 'trial')}: {cause.error}")
    best = sweep.best()
    if best is not None:
        score = (sweep.metric.format(best.score), "bold green")
        name = sweep.metric.name.replace("_", " ")
        told = f"best: trial {best.number} ({settings(best.sampled, sampled_settings(sweep))}), {name} "
        say(console, Text.assemble(told, score))


def print_confirmation(console: Console, sweep: Sweep) -> None:
    """Each candidate of the confirmation, and what it means; nothing where there is none."""
    told = confirmation_summary(sweep)
    if told is None:
        return
    console.print()
    console.print(confirmation_table(told))
    console.print()
    say(console, " ".join(told.sentences))


def print_leaderboard(console: Console, sweep: Sweep) -> None:
    """Our winner among the published results, and where it stands; its test figures alone where
    they are no accuracies; nothing before the test set was opened."""
    frame = leaderboard(sweep, read_benchmarks())
    applies, why = benchmark_applies(sweep)
    winner = winner_of(sweep)
    if winner is None:
        return
    if not frame["ours"].any():
        figures = ", ".join(f"{name} {value:.4g}" for name, value in winner.metrics.items())
        over = "" if len(winner.looks) == 1 else f", mean of {len(winner.looks)} seeds"
        say(console, f"test: {figures} on {plural(winner.evaluation.count, 'example')}{over}")
        return
    console.print()
    console.print(leaderboard_table(frame))
    console.print()
    say(console, leaderboard_sentence(frame))
    if not applies:
        say(console, why)


def files(run: RunFolder) -> list[Path]:
    """What the user may want to open: everything but the run's own records."""
    own = {run.plan, run.environment, run.journal, run.lock, run.openings, run.log}
    there = [path for path in run.path.iterdir() if path.is_file() and path not in own]
    order = [*_PURPOSES]
    visible = [path for path in there if not path.name.startswith(".")]
    return sorted(visible, key=lambda path: (order.index(path.name) if path.name in order else 99, path.name))


def print_files(console: Console, run: RunFolder) -> None:
    """The files' names, and what each is."""
    made = files(run)
    console.print()
    console.print(f"in {os.path.relpath(run.path) if run.path.is_relative_to(Path.cwd()) else run.path}:")
    width = max(len(path.name) for path in made)
    for path in made:
        console.print(f"  {path.name:{width}}  {_PURPOSES.get(path.name, '')}".rstrip(), soft_wrap=True)
    console.print()
