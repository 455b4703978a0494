"""A running search in a notebook: one output that is redrawn a few times a second."""

from __future__ import annotations

import html
import sys
import time
from types import TracebackType
from typing import Any, Self

from benchsweep.progress.search import Progress
from benchsweep.screen.lines import Display, concurrency, hyperparameters, position
from benchsweep.terminal import Streams
from reports.formatting.wording import duration
from search.engine.events import Event

_INTERVAL = 0.25
"""Seconds between two drawings, at least."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. Imports nothing."""
    shell = sys.modules.get("IPython")
    interactive: Any = None if shell is None else shell.get_ipython()
    return interactive is not None and hasattr(interactive, "kernel")


class NotebookDisplay(Display):
    """Draws the progress as HTML in the cell that runs the search."""

    def __init__(self, progress: Progress, streams: Streams) -> None:
        super().__init__(progress, streams)
        self._drawn = 0.0
        self._handle: Any = None

    def __enter__(self) -> Self:
        from IPython.display import HTML, display  # there in every notebook, and nowhere else

        self._html = HTML
        self._handle = display(HTML(progress_html(self.progress)), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()

    def show(self, event: Event) -> None:
        if time.monotonic() - self._drawn > _INTERVAL:
            self._draw()

    def say(self, sentence: str) -> None:
        self.progress.notice = sentence

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        self._handle.update(self._html(progress_html(self.progress)))


def progress_html(progress: Progress) -> str:
    """The progress as a piece of HTML: a bar, how far it is, the best so far, and what the user must know."""
    started, ended = progress.started, progress.ended
    if ended is not None:
        state = ended.detail
    elif started is None:
        state = "starting"
    else:
        state = concurrency(started)
    lines = [
        f"<b>{html.escape(progress.name)}</b> {html.escape(state)}",
        f'<progress max="1" value="{progress.share_spent:.4f}" style="width: 20em"></progress> '
        f"{html.escape(position(progress))} · {html.escape(duration(progress.spent))}",
    ]
    leader = progress.leader
    if leader is not None:
        sampled = f": {hyperparameters(leader.sampled, progress.order)}" if leader.sampled else ""
        best = f"{progress.metric.format(leader.score)}, {leader.name}{sampled}"
        lines.append(f"best {html.escape(best)}")
    if progress.notice:
        lines.append(html.escape(progress.notice))
    return "<br>".join(lines)
