"""A search and its confirmation as a stream of events, and to its end with its progress shown."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from benchsweep.progress.search import Progress
from benchsweep.screen.lines import Display
from benchsweep.screen.live import display_for
from benchsweep.screen.notebook import NotebookDisplay, in_notebook
from benchsweep.session.search import RunOptions, resumable
from benchsweep.session.stages import Stage
from benchsweep.terminal import Streams, own, redirected
from search.cluster.access import Site
from search.engine.events import Event, Started
from search.records.folder import RunFolder
from trainable.contract import data_folder

Stages = Callable[[Callable[[str], None]], Generator[Stage]]
"""Begins a run, which is then owned, and yields its stages. Called with what says a sentence to the user."""


@dataclass(frozen=True)
class Start:
    """A start of a run, before it begins."""

    run: RunFolder
    """The run's folder."""
    stages: Stages
    """What it consists of."""
    options: RunOptions
    """Where it is trained, and whether its progress is shown."""


class Stream(Iterator[Event]):
    """The events of a search and of its confirmation, as they happen. At the end, the finalists are evaluated
    on the test set, and the report is written.

    To iterate it is what trains. Leaving the loop stops the search in order, so that it can be resumed.
    """

    def __init__(self, start: Start) -> None:
        self.run = start.run
        """The run's folder."""
        self._stages, self._options = start.stages, start.options
        self._current: Stage | None = None
        self._stopped = False
        self._events = self._all()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    @property
    def stage(self) -> str:
        """ "search" or "confirmation": what the last event belongs to."""
        return "search" if self._current is None else self._current.progress.stage

    @property
    def progress(self) -> Progress | None:
        """Trials, best so far and time left of that stage; None before the first event."""
        return None if self._current is None else self._current.progress

    def stop(self) -> None:
        """Ask the search to end, from the loop or from another thread: the events end within seconds, and
        the run can be resumed."""
        self._stopped = True
        if self._current is not None:
            self._current.search.stop()

    def close(self) -> None:
        """End at once, in order: what leaving the loop does once nothing refers to the stream."""
        self._events.close()

    def _all(self) -> Generator[Event]:
        with reported(self.run) as begun, closing(self._stages(_say)) as stages:
            for stage in stages:
                begun.append(stage)
                self._current = stage
                with resumable(self.run, self._options.resume_command(self.run)):
                    for event in self._of(stage):
                        stage.progress.update(event)
                        yield event
                    stage.finish(data_folder(self._options.data_dir))
                if not stage.complete:
                    break

    def _of(self, stage: Stage) -> Generator[Event]:
        """The events of one stage. What Ray prints goes to the run's log, what the loop prints does not."""
        with closing(_events(stage)) as events:
            while not self._options.site.local:
                with redirected(self.run.log):
                    if self._stopped:
                        stage.search.stop()
                    event = next(events, None)
                if event is None:
                    return
                yield event
            yield from events


def to_the_end(start: Start) -> None:
    """Search and confirm with the progress shown: in a notebook as a bar, on a terminal as the command shows
    it, elsewhere a line for each trial; with output "quiet" nothing is shown.

    The first Ctrl-C, or interrupt of a notebook's kernel, stops the search in order, and KeyboardInterrupt is
    raised at its end; the second one raises it at once.
    """
    run, options = start.run, start.options
    command, quiet = options.resume_command(run), options.output == "quiet"
    with reported(run) as begun, closing(start.stages(_say if not quiet else _unsaid)) as given:
        for stage in given:
            begun.append(stage)
            with (
                resumable(run, command),
                _streams(run, options.site) as streams,
                _display(stage.progress, streams, options) as display,
                _interruptible(stage.search.stop, display.say) as interrupted,
                closing(_events(stage)) as events,
            ):
                for event in events:
                    display.take(event)
                    if isinstance(event, Started):
                        interrupted.catch()  # Ray has installed handlers of its own
                stage.finish(data_folder(options.data_dir))
            if interrupted.happened:
                raise KeyboardInterrupt(f"stopped; finished epochs are kept; continue with: {command}")
            if not stage.complete:
                break


@contextmanager
def reported(run: RunFolder) -> Iterator[list[Stage]]:
    """Yields a list for the stages that begin inside. The report is written at the end, whatever failed, once
    the search has ended in order and the run is released."""
    begun: list[Stage] = []
    try:
        yield begun
    finally:
        if begun and begun[0].progress.ended is not None:
            from benchsweep.screen.ending import write_all  # pandas and plotly would delay the first epoch

            write_all(run)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _unsaid(sentence: str) -> None:
    """For a search that shows nothing."""


def _events(stage: Stage) -> Generator[Event]:
    yield from stage.search


@contextmanager
def _streams(run: RunFolder, site: Site) -> Iterator[Streams]:
    """The user's streams, while what Ray prints goes to the run's log. A debugger needs the terminal."""
    if site.local:
        yield own()
        return
    with redirected(run.log) as streams:
        yield streams


def _display(progress: Progress, streams: Streams, options: RunOptions) -> Display:
    if options.output == "quiet":
        return Display(progress, streams)
    if in_notebook():
        return NotebookDisplay(progress, streams)
    return display_for("live", progress, streams, live=not options.site.local)


class _Interruption:
    """What SIGINT does while a search runs."""

    def __init__(self, stop: Callable[[], None], say: Callable[[str], None]) -> None:
        self._stop, self._say = stop, say
        self.happened = False
        """Whether there was one."""

    def catch(self) -> None:
        """Take SIGINT over. Python allows that in the main thread alone."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._take)

    def _take(self, number: int, frame: object) -> None:
        if self.happened:
            raise KeyboardInterrupt
        self.happened = True
        self._stop()
        self._say("stopping; interrupt again to leave at once")


@contextmanager
def _interruptible(stop: Callable[[], None], say: Callable[[str], None]) -> Iterator[_Interruption]:
    interruption = _Interruption(stop, say)
    before = signal.getsignal(signal.SIGINT)
    interruption.catch()
    try:
        yield interruption
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
