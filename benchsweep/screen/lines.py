"""A running search as lines: text for pipes and logs, JSON for scripts, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self, TextIO

from benchsweep.progress.search import Progress, TrialProgress
from benchsweep.terminal import Streams, json_line
from reports.formatting.wording import duration, plural, setting
from search.engine.events import ClusterResized, Event, Note, Started, TrialEnded, TrialPaused
from search.records.sweep import State


class Display:
    """Shows a search while it runs. This base class shows only what the user must know at once."""

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
        """Update the progress with an event, and show it."""
        self.progress.update(event)
        self.show(event)

    def show(self, event: Event) -> None:
        """Show what an event changed."""

    def say(self, sentence: str) -> None:
        """Tell the user something at once. Called from another thread."""
        self.progress.notice = sentence
        _write(self.streams.err, f"{sentence}\n")

    def restore(self) -> None:
        """Restore the terminal. Called before the process ends at once."""


class LineDisplay(Display):
    """Prints one line when the search starts and one when a trial ends, without control characters, so that
    the output can be kept as a log."""

    def show(self, event: Event) -> None:
        line = line_for(event, self.progress)
        if line is not None:
            _write(self.streams.out, f"{line}\n")


class JsonDisplay(Display):
    """Prints each event as a JSON object on one line."""

    def show(self, event: Event) -> None:
        _write(self.streams.out, json_line({**as_json(event), "stage": self.progress.stage}))


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def as_json(event: Event) -> dict[str, Any]:
    """The event as plain values; "event" is its kind, such as trial_started."""
    return {"event": event.kind, **asdict(event)}


def line_for(event: Event, progress: Progress) -> str | None:
    """The event as a line of text; None for an event that is too frequent to print."""
    match event:
        case Note():
            return event.sentence
        case Started():
            return started_line(progress, event)
        case ClusterResized():
            hosts = plural(event.hosts, "machine")
            return f"the cluster changed: now {event.workers} at once on {hosts}"
        case TrialEnded() | TrialPaused():
            return trial_line(progress, progress.trials[event.number])
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
    line = f"{progress.name}: up to {' or '.join(budget)}, {concurrency(event)}"
    if event.session and event.finished:
        line += f"; {event.finished} were finished before"
    return line


def concurrency(event: Started) -> str:
    """ "2 at once on cpu", with the number of machines if there are several."""
    hosts = f" on {plural(event.hosts, 'machine')}" if event.hosts > 1 else ""
    return f"{event.workers} at once on {event.device}{hosts}"


def trial_line(progress: Progress, trial: TrialProgress) -> str:
    """A trial that has ended: its result, its hyperparameters, and how far the search is."""
    epochs = "" if trial.same_as is not None else f"{trial.epochs_trained}/{trial.length} epochs  "
    score = progress.metric.format(trial.score)
    best = "  best so far" if trial is progress.best and trial.state is State.COMPLETE else ""
    reason = f"  {' '.join(trial.error.split())}" if trial.error else ""
    if trial.same_as is not None:
        reason += f"  the same recipe as trial {trial.same_as}, not trained again"
    return (
        f"[{position(progress)}] {progress.noun} {trial.number} {trial.state.lower()}  {epochs}{score}{best}"
        f"{reason}  ({hyperparameters(trial.sampled, progress.order)})"
    )


def position(progress: Progress) -> str:
    """ "7/12 trials, 41 s left": how far the search is."""
    done, total = progress.done, progress.limits.trials
    count = f"{done:,}/{total:,} {progress.noun}s" if total else plural(done, progress.noun)
    remaining = progress.remaining
    return count if remaining is None else f"{count}, {duration(remaining)} left"


def hyperparameters(sampled: Mapping[str, Any], order: Sequence[str] = ()) -> str:
    """ "learning_rate 0.0041, schedule step": first those in `order`, then the others."""
    names = [*(name for name in order if name in sampled), *(name for name in sampled if name not in order)]
    return ", ".join(f"{name} {setting(sampled[name])}" for name in names)
