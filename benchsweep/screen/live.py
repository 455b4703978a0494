"""A running search on a terminal, redrawn a few times a second."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Literal, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchsweep.progress.search import Progress, TrialProgress
from benchsweep.screen.lines import (
    Display,
    JsonDisplay,
    LineDisplay,
    concurrency,
    hyperparameters,
    position,
)
from benchsweep.screen.setting_columns import GAP, SettingColumns, ordered
from benchsweep.terminal import Streams, console_on, fit
from reports.formatting.wording import duration, plural
from search.engine.events import Event
from search.records.sweep import State

OutputMode = Literal["live", "json", "quiet"]
"""live: for people. json: a line for each event. quiet: only the end."""

STYLES = {
    State.RUNNING: "cyan",
    State.COMPLETE: "green",
    State.PRUNED: "yellow",
    State.DIVERGED: "magenta",
    State.FAILED: "red",
    State.INTERRUPTED: "dim",
    State.PAUSED: "dim",
}
_BAR = 10
"""Columns of a trial's progress bar."""
_LONG = "59 min 59 s"
"""The longest duration below ten hours."""
_SCORE = 8
"""Columns of a score, at least."""
_ERRORS = 2
"""Errors that are shown, at most."""


def display_for(output: OutputMode, progress: Progress, streams: Streams, *, live: bool = True) -> Display:
    """For people, a live display if stdout is a terminal and `live` is true, else lines of text."""
    if output == "json":
        return JsonDisplay(progress, streams)
    if output == "quiet":
        return Display(progress, streams)
    if live and streams.out.isatty():
        return LiveDisplay(progress, streams)
    return LineDisplay(progress, streams)


class LiveDisplay(Display):
    """Draws the progress while it is entered, and removes the drawing afterwards."""

    def __init__(self, progress: Progress, streams: Streams) -> None:
        super().__init__(progress, streams)
        self._console = console_on(streams.out)
        # The drawing thread must not read the progress while an event changes it.
        self._lock = threading.Lock()
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,  # both are redirected already
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def take(self, event: Event) -> None:
        with self._lock:
            self.progress.update(event)

    def say(self, sentence: str) -> None:
        self.progress.notice = sentence  # drawn within a fifth of a second

    def restore(self) -> None:
        self._live.stop()  # shows the cursor again, and stops drawing

    def _draw(self) -> RenderableType:
        with self._lock:
            fit(self._console)
            return picture(self.progress, self._console.height, self._console.width)


def picture(progress: Progress, height: int, width: int = 80) -> RenderableType:
    """The progress in at most `height` lines, for a width of 60 columns or more."""
    parts: list[RenderableType] = [_header(progress), _bar(progress), _best(progress), _figures(progress)]
    if progress.notice:
        parts.append(Text(progress.notice, "bold yellow", no_wrap=True, overflow="ellipsis"))
    # Two lines are the table's header and the empty last line.
    room = height - len(parts) - 2
    if progress.trials and room > 0:
        parts.append(_trials(progress, width, room + 1))
    # The empty last line receives the ^C that a terminal echoes; on a full line it would wrap.
    return Group(*parts, Text())


def _header(progress: Progress) -> RenderableType:
    started = progress.started
    words = "starting Ray, which takes a few seconds" if started is None else concurrency(started)
    header = Text.assemble((progress.name, "bold"), f"  {words}", no_wrap=True, overflow="ellipsis")
    if started is not None and started.session and started.finished:
        header.append(f"; {started.finished:,} finished before", style="dim")
    return header


def _bar(progress: Progress) -> RenderableType:
    line = Table.grid(padding=(0, 2, 0, 0), expand=True)
    line.add_column(ratio=1)
    limit = progress.limits.wall_time
    time = duration(progress.spent) + (f" of {duration(limit)}" if limit else "")
    # The bar must not change its width with the length of the figures.
    total = progress.limits.trials or 1000
    longest = f"{total:,}/{total:,} {progress.noun}s, {_LONG} left · {_LONG}" + (
        f" of {duration(limit)}" if limit else ""
    )
    line.add_column(no_wrap=True, width=len(longest), justify="right")
    line.add_row(ProgressBar(total=1.0, completed=progress.share_spent), f"{position(progress)} · {time}")
    return line


def _best(progress: Progress) -> RenderableType:
    leader = progress.leader
    if leader is None:
        return Text(f"best   no {progress.noun} is complete yet", style="dim", no_wrap=True)
    sampled = f": {hyperparameters(leader.sampled, progress.order)}" if leader.sampled else ""
    return Text.assemble(
        "best   ",
        (progress.metric.format(leader.score), "bold green"),
        f"  {leader.name}{sampled}",
        no_wrap=True,
        overflow="ellipsis",
    )


def _figures(progress: Progress) -> RenderableType:
    rate = progress.trials_per_hour
    parts = [] if rate is None else [f"{rate:,.0f} {progress.noun}s per hour"]
    epochs = f"{plural(progress.epochs_trained, 'epoch')} trained"
    if progress.limits.epochs:
        epochs = f"{progress.epochs_trained:,} of {plural(progress.limits.epochs, 'epoch')} trained"
    parts.append(epochs)
    if progress.epochs_saved:  # never in a confirmation, which prunes nothing
        parts.append(f"{progress.epochs_saved:,} saved by pruning")
    return Text("       " + " · ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")


def _trials(progress: Progress, width: int, room: int) -> RenderableType:
    """As many trials as fit in `room` lines: the running ones, then those that ended last, with the errors of
    the last ones that failed."""
    shown = [*progress.running, *reversed(progress.finished)][:room]
    rows = [trial.sampled for trial in shown]
    length = max(len(str(trial.length)) for trial in shown)
    fixed: list[tuple[str, int, Literal["left", "right"]]] = [
        (progress.noun, max(len(progress.noun), len(str(max(progress.trials)))), "right"),
        ("state", max(len(state) for state in State), "left"),
        ("epochs", _BAR + 2 + 2 * length, "left"),
        (short := short_metric(progress.metric.name), max(len(short), _SCORE), "right"),
    ]
    taken = sum(size for _, size, _ in fixed) + GAP * (len(fixed) - 1)
    columns = SettingColumns.fitted(ordered(progress.order, rows), rows, width - taken)
    if 3 * columns.header_lines > room:  # trials before settings
        columns = SettingColumns.fitted((), (), 0)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for title, size, side in fixed:
        table.add_column(
            Text("\n" * (columns.header_lines - 1) + title), justify=side, width=size, no_wrap=True
        )
    for title, size in zip(columns.headers, columns.widths, strict=True):
        above = columns.header_lines - 1 - title.count("\n")
        table.add_column(Text("\n" * above + title), width=size, no_wrap=True, overflow="ellipsis")
    failed = [trial for trial in shown if trial.error][
        : min(_ERRORS, max(0, room - columns.header_lines - 1))
    ]
    for trial in shown[: room - columns.header_lines - len(failed)]:
        settings = [Text(text, style="dim") for text in columns.cells(trial.sampled)]
        table.add_row(*_cells(progress, trial), *settings, style="bold" if trial is progress.best else "")
    errors = [
        Text(
            f"{progress.noun} {trial.number}: {' '.join((trial.error or '').split())}",
            style="red",
            no_wrap=True,
            overflow="ellipsis",
        )
        for trial in failed
    ]
    return Group(table, *errors)


def short_metric(name: str) -> str:
    """A metric's name for a column's header: its last word, "accuracy" of validation_accuracy."""
    return name.rpartition("_")[2] or name


def _cells(progress: Progress, trial: TrialProgress) -> list[RenderableType]:
    style = STYLES[trial.state]
    full = round(_BAR * trial.epochs_trained / max(1, trial.length))
    bar = Text.assemble(("━" * full, style), ("━" * (_BAR - full), "bright_black"))
    bar.append(f" {trial.epochs_trained}/{trial.length}")
    return [
        Text(str(trial.number)),
        Text(trial.state.lower(), style=style),
        bar,
        Text(progress.metric.format(trial.score)),
    ]
