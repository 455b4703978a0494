"""A running search in plain lines: for pipes and logs, for scripts (JSON), and for nobody (quiet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self, TextIO

from benchsweep.progress.search import Progress, Row
from benchsweep.terminal import Streams, json_line
from reports.formatting.wording import duration, plural, setting
from search.engine.events import ClusterResized, Event, Note, Started, TrialEnded
from search.records.sweep import State


class Watcher:
    """Who shows a search while it runs. This one shows nothing but what the user must know at once."""

    def __init__(self, progress: Progress, streams: Streams) -> None:
        self.progress = progress
        self.streams = streams

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def take(self, event: Event) -> None:
        """Learn an event, and show it."""
        self.progress.take(event)
        self.show(event)

    def show(self, event: Event) -> None:
        """What an event changes on the screen."""

    def say(self, sentence: str) -> None:
        """Tell the user something at once; called from another thread."""
        self.progress.notice = sentence
        _write(self.streams.err, f"{sentence}\n")

    def restore(self) -> None:
        """Leave the terminal as it was; called before the process ends on the spot."""


class Lines(Watcher):
    """One line when the search starts and one when a trial ends; the end has lines of its own
    (`closing.py`). No control characters: what is written can be kept as a log."""

    def show(self, event: Event) -> None:
        line = line_for(event, self.progress)
        if line is not None:
            _write(self.streams.out, f"{line}\n")


class JsonLines(Watcher):
    """Each event as a JSON object on a line of its own."""

    def show(self, event: Event) -> None:
        _write(self.streams.out, json_line({**as_json(event), "stage": self.progress.stage}))


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def as_json(event: Event) -> dict[str, Any]:
    """The event as plain values; "event" names its kind, as in trial_started."""
    return {"event": event.kind, **asdict(event)}


def line_for(event: Event, progress: Progress) -> str | None:
    """What an event is worth saying in plain text; None for the small ones."""
    match event:
        case Note():
            return event.sentence
        case Started():
            return started_line(progress, event)
        case ClusterResized():
            hosts = plural(event.hosts, "machine")
            return f"the cluster changed: from now on {event.workers} at once on {hosts}"
        case TrialEnded():
            return trial_line(progress, progress.rows[event.number])
        case _:
            return None


def started_line(progress: Progress, event: Started) -> str:
    """ "laptop: up to 80 trials or 15 min 00 s, 2 at once on cpu; 12 were finished before"."""
    limits = progress.limits
    budget = [
        *([plural(limits.trials, progress.noun)] if limits.trials else []),
        *([duration(limits.wall_time)] if limits.wall_time else []),
        *([plural(limits.epochs, "epoch")] if limits.epochs else []),
    ]
    line = f"{progress.name}: up to {' or '.join(budget)}, {on_what(event)}"
    if event.session and event.finished:
        line += f"; {event.finished} were finished before"
    return line


def on_what(event: Started) -> str:
    """ "2 at once on cpu", and on how many machines where they are several."""
    hosts = f" on {plural(event.hosts, 'machine')}" if event.hosts > 1 else ""
    return f"{event.workers} at once on {event.device}{hosts}"


def trial_line(progress: Progress, row: Row) -> str:
    """One ended trial, what it tried, and how far the search is with it."""
    epochs = "" if row.same_as is not None else f"{row.trained}/{row.planned} epochs  "
    figures = f"{epochs}{progress.metric.format(row.score)}"
    best = "  best so far" if row is progress.best and row.state is State.COMPLETE else ""
    why = f"  {' '.join(row.error.split())}" if row.error else ""
    if row.same_as is not None:
        why += f"  the same recipe as trial {row.same_as}, not trained again"
    return (
        f"[{where(progress)}] {progress.noun} {row.number} {row.state.lower()}  {figures}{best}{why}"
        f"  ({settings(row.sampled)})"
    )


def where(progress: Progress) -> str:
    """ "7/12 trials, 41 s left": how far the search is."""
    done, total = len(progress.finished), progress.limits.trials
    count = f"{done:,}/{total:,} {progress.noun}s" if total else plural(done, progress.noun)
    left = progress.remaining
    return count if left is None else f"{count}, {duration(left)} left"


def settings(sampled: Mapping[str, Any], order: Sequence[str] = ()) -> str:
    """ "learning_rate 0.0041, schedule step"; those named in `order` first, and so ordered."""
    names = [*(name for name in order if name in sampled), *(name for name in sampled if name not in order)]
    return ", ".join(f"{name} {setting(sampled[name])}" for name in names)
