"""One search, carried out in front of the user: what `run`, `resume` and `quickstart` share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE, Interrupted, UsageError
from benchsweep.progress.search import Progress
from benchsweep.screen.lines import Watcher
from benchsweep.screen.live import Form, watcher
from benchsweep.session.live_report import live_report
from benchsweep.session.signals import Stopped, stopping
from benchsweep.terminal import diverted, typed
from search.cluster.access import THIS_MACHINE, Site
from search.confirm import confirmation, confirming
from search.engine.events import Event, Started
from search.engine.processes import Descendants
from search.engine.search import Search
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import starting
from search.test_set import open_test_set
from trainable.contract import data_folder


@dataclass(frozen=True)
class RunOptions:
    """How the user wants a search carried out. data_dir: as given, None where not. live_report:
    whether the report is written while it runs, too."""

    form: Form
    data_dir: Path | None = None
    site: Site = THIS_MACHINE
    live_report: bool = False

    @classmethod
    def of(
        cls, data_dir: Path | None, site: Site, quiet: bool, json: bool, live_report: bool = False
    ) -> RunOptions:
        """From the options. --json wins over --quiet: its last line is the summary anyway."""
        return cls("json" if json else "quiet" if quiet else "view", data_dir, site, live_report)

    def resume_command(self, run: RunFolder) -> str:
        """What to type, here and now, to go on with the run."""
        words = ["resume", run.reference]
        if self.data_dir is not None:
            words += ["--data-dir", str(self.data_dir)]
        if self.site.local:
            words.append("--local")
        if self.site.address is not None:
            words += ["--address", self.site.address, *(["--ship-code"] if self.site.ship_code else [])]
        return typed(*words)


def site_of(address: str | None, ship_code: bool, local: bool) -> Site:
    """Where the options say to train. An address from the environment yields to --local.

    Raises UsageError if --local is given together with --address."""
    if local and address is not None and address != os.environ.get("RAY_ADDRESS"):
        raise UsageError(
            f"--local trains in this process, but --address {address} names a cluster",
            "leave out one of them",
        )
    return Site(local=True) if local else Site(address, ship_code)


def carry_out(
    run: RunFolder,
    given: Plan | Callable[[Sweep], Plan],
    wish: RunOptions,
    afresh: str | None = None,
    *,
    extend: bool = False,
    warm_start: Path | None = None,
) -> None:
    """Search until the budget is spent or a signal comes, confirm the best trials, look at the test set,
    write the report.

    given, extend, warm_start: as in `search.start.starting`. afresh: the command that starts anew, told
    when the run was finished before. Ends the process with a signal's exit code when it was interrupted.
    """

    folder = data_folder(wish.data_dir)

    def stages() -> Generator[_Stage]:
        from benchsweep.progress.confirmation import (
            ConfirmationProgress,  # after the search, which need not wait for it
        )

        beginning = starting(run, given, folder, wish.site, extend=extend, warm_start=warm_start, say=_say)
        with beginning as search:
            if wish.form == "view":
                for note in search.plan.notes():
                    terminal.say(terminal.err(), f"note: {note}")
            progress = Progress.of(search.plan)
            if search.before is not None:
                progress.recall(search.before)
            confirmed = search.plan.confirmation.candidates > 0
            yield _Stage(search, progress, last=not confirmed)
            if confirmed:
                race = confirmation(run, search.plan, folder, wish.site, search.data)
                if race is not None:
                    yield _Stage(race, ConfirmationProgress.of_race(race), last=True)

    _carry(run, stages(), wish, afresh)


def carry_confirmation(run: RunFolder, wish: RunOptions, candidates: int | None, seeds: int | None) -> None:
    """The same for the confirmation of a run alone. candidates, seeds: in place of its plan's."""

    def stages() -> Generator[_Stage]:
        from benchsweep.progress.confirmation import ConfirmationProgress

        with confirming(run, data_folder(wish.data_dir), wish.site, candidates, seeds, _say) as race:
            yield _Stage(race, ConfirmationProgress.of_race(race), last=True)

    _carry(run, stages(), wish, None)


def _say(sentence: str) -> None:
    terminal.say(terminal.err(), sentence)


@dataclass(frozen=True)
class _Stage:
    """A search, or a confirmation. last: whether the test set is opened after it."""

    search: Search
    progress: Progress
    last: bool


def _carry(run: RunFolder, stages: Generator[_Stage], wish: RunOptions, afresh: str | None) -> None:
    """Carry out one stage after the other, as long as each comes to its end."""
    again, folder = wish.resume_command(run), data_folder(wish.data_dir)
    told: list[Progress] = []
    stopped = Stopped()
    try:
        with closing(stages), live_report(run) if wish.live_report else nullcontext():
            for stage in stages:
                told.append(stage.progress)
                # A debugger, like anything that the trainable prints, needs the terminal.
                in_terminal = wish.site.local and wish.form == "view"
                output = nullcontext(terminal.own()) if in_terminal else diverted(run.log)
                with resumable(run, again), output as streams:
                    screen = watcher(wish.form, stage.progress, streams, drawn=not in_terminal)
                    stopped = _watch(stage, screen, again, folder)
                if not _done(stage.progress):
                    break
    finally:
        # A test set that could not be opened takes nothing from what the search found.
        if told and told[0].ended is not None:
            if told[-1].ended is not None and not _done(told[-1]):
                told[0].ended = told[-1].ended
            from benchsweep.screen.ending import (
                conclude,  # pandas, scipy and plotly: not before the first epoch
            )

            with resumable(run, again):
                conclude(run, told[0], wish.form, _next(run, told, again, afresh))
    if told[-1].ended is None:
        raise Interrupted(f"no trial had started yet; go on with: {again}", stopped.exit_code)
    if not _done(told[-1]):
        raise typer.Exit(stopped.exit_code)
    sweep = Sweep.read(run.path)
    if sweep.best() is None and sweep.count(State.FAILED):
        raise typer.Exit(FAILURE)


def _done(progress: Progress) -> bool:
    return progress.ended is not None and progress.ended.reason == "budget"


def _next(run: RunFolder, told: list[Progress], again: str, afresh: str | None) -> list[str]:
    """What the user may type now."""
    if not _done(told[-1]):
        return [again]
    look = typed("report", run.reference, "--open")
    new = all(progress.started is None for progress in told)
    return [look, *([afresh] if afresh and new else [])]


def _watch(stage: _Stage, screen: Watcher, again: str, data: Path) -> Stopped:
    """Show what happens until the stream ends; then, if all is done, open the test set."""

    def leave() -> None:
        screen.restore()
        os.write(screen.streams.err.fileno(), f"quit at once; go on with: {again}\n".encode())

    # `closing`: if showing fails (a pipe whose reader left), the search still ends in order.
    with (
        stopping(stage.search.stop, screen.say, leave) as stopped,
        closing(_stream(stage.search)) as events,
        screen,
    ):
        try:
            for event in events:
                screen.take(event)
                if isinstance(event, Started):
                    stopped.catch()
        except SystemExit as error:  # by Ray's own handler, while it starts: its code is the signal
            if error.code != signal.SIGTERM:
                raise
            Descendants(os.getpid()).kill()
        if stage.last and _done(stage.progress):
            stage.progress.notice = "evaluating the finalists on the test set"
            open_test_set(RunFolder(stage.search.run.owned), data)
    return stopped


def _stream(search: Search) -> Generator[Event]:
    yield from search


@contextmanager
def resumable(run: RunFolder, again: str) -> Iterator[None]:
    """Add to whatever is raised inside how the run goes on, and where its log lies."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"what is finished is kept; go on with: {again}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(run.path)  # a full disk does not say where
        error.add_note(f"what is finished is kept; go on with: {again}")
        error.add_note(f"what Ray and its workers printed lies in {run.log}")
        raise
