"""A running search on a terminal: what is known, drawn anew a few times a second."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Literal, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchsweep.progress.search import Progress, Row
from benchsweep.screen.lines import JsonLines, Lines, Watcher, on_what, settings, where
from benchsweep.terminal import Streams, console_on, fit
from reports.formatting.wording import duration, plural
from search.engine.events import Event
from search.records.sweep import State

Form = Literal["view", "json", "quiet"]

STYLES = {
    State.RUNNING: "cyan",
    State.COMPLETE: "green",
    State.PRUNED: "yellow",
    State.DIVERGED: "magenta",
    State.FAILED: "red",
    State.INTERRUPTED: "dim",
}
_BAR = 10
"""Characters of a trial's own bar."""


def watcher(form: Form, progress: Progress, streams: Streams, drawn: bool = True) -> Watcher:
    """What shows the search: a picture if stdout is a terminal and `drawn` is true, else plain lines."""
    if form == "json":
        return JsonLines(progress, streams)
    if form == "quiet":
        return Watcher(progress, streams)
    return View(progress, streams) if drawn and streams.out.isatty() else Lines(progress, streams)


class View(Watcher):
    """The picture, while it is entered; gone without a trace afterwards."""

    def __init__(self, progress: Progress, streams: Streams) -> None:
        super().__init__(progress, streams)
        self._console = console_on(streams.out)
        # The drawing thread must not read the rows while an event changes them.
        self._changing = threading.Lock()
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,  # both are diverted already
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
        with self._changing:
            self.progress.take(event)

    def say(self, sentence: str) -> None:
        self.progress.notice = sentence  # drawn within a fifth of a second

    def restore(self) -> None:
        self._live.stop()  # the cursor comes back, and nothing is drawn over what follows

    def _draw(self) -> RenderableType:
        with self._changing:
            fit(self._console)
            return picture(self.progress, self._console.height)


def picture(progress: Progress, height: int) -> RenderableType:
    """The whole view in at most `height` lines, at any width from 60 columns on."""
    parts: list[RenderableType] = [_header(progress), _bar(progress), _best(progress), _figures(progress)]
    if progress.notice:
        parts.append(Text(progress.notice, "bold yellow", no_wrap=True, overflow="ellipsis"))
    # One line is the table's head, one is the last and empty one.
    room = height - len(parts) - 2
    if progress.rows and room > 0:
        parts.append(_trials(progress, room))
    # An empty last line takes the ^C that a terminal echoes; on a full one it would wrap.
    return Group(*parts, Text())


def _header(progress: Progress) -> RenderableType:
    told = progress.started
    what = "starting Ray, which takes some seconds" if told is None else on_what(told)
    header = Text.assemble((progress.name, "bold"), f"  {what}", no_wrap=True, overflow="ellipsis")
    if told is not None and told.session and told.finished:
        header.append(f"; {told.finished:,} finished before", style="dim")
    return header


def _bar(progress: Progress) -> RenderableType:
    line = Table.grid(padding=(0, 2, 0, 0), expand=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    limit = progress.limits.wall_time
    time = duration(progress.spent) + (f" of {duration(limit)}" if limit else "")
    line.add_row(ProgressBar(total=1.0, completed=progress.share), f"{where(progress)} · {time}")
    return line


def _best(progress: Progress) -> RenderableType:
    leading = progress.leading
    if leading is None:
        return Text(f"best   no {progress.noun} has trained to its end yet", style="dim", no_wrap=True)
    told = f": {settings(leading.sampled)}" if leading.sampled else ""
    return Text.assemble(
        "best   ",
        (progress.metric.format(leading.score), "bold green"),
        f"  {leading.name}{told}",
        no_wrap=True,
        overflow="ellipsis",
    )


def _figures(progress: Progress) -> RenderableType:
    parts = [] if progress.per_hour is None else [f"{progress.per_hour:,.0f} {progress.noun}s an hour"]
    epochs = f"{plural(progress.epochs_trained, 'epoch')} trained"
    if progress.limits.epochs:
        epochs = f"{progress.epochs_trained:,} of {plural(progress.limits.epochs, 'epoch')} trained"
    parts += [epochs, f"{progress.saved:,} saved by pruning"]
    return Text("       " + " · ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")


def _trials(progress: Progress, room: int) -> RenderableType:
    """As many trials as fit in `room` lines: those that run, then the last that ended."""
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column(progress.noun, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("epochs", no_wrap=True)
    table.add_column(_short(progress.metric.name), justify="right", no_wrap=True)
    table.add_column("settings", ratio=1, no_wrap=True, overflow="ellipsis")
    shown = [*progress.running, *reversed(progress.finished)][:room]
    best = progress.best
    for row in shown:
        table.add_row(*_cells(progress, row), style="bold" if row is best else "")
    return table


def _short(metric: str) -> str:
    """A metric's name in a column's head: its last word, "accuracy" of validation_accuracy."""
    return metric.rpartition("_")[2] or metric


def _cells(progress: Progress, row: Row) -> list[RenderableType]:
    style = STYLES[row.state]
    full = round(_BAR * row.trained / max(1, row.planned))
    bar = Text.assemble(("━" * full, style), ("━" * (_BAR - full), "bright_black"))
    bar.append(f" {row.trained}/{row.planned}")
    told = " ".join(row.error.split()) if row.error else settings(row.sampled)
    return [
        Text(str(row.number)),
        Text(row.state.lower(), style=style),
        bar,
        Text(progress.metric.format(row.score)),
        Text(told, style="red" if row.error else "dim"),
    ]
