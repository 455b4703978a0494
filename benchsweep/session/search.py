"""A search and its confirmation in the foreground: what `run`, `resume`, `extend`, `confirm` and `quickstart`
share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE, Interrupted, UsageError
from benchsweep.screen.lines import Display
from benchsweep.screen.live import OutputMode, display_for
from benchsweep.session.live_report import live_report
from benchsweep.session.signals import StopSignal, stopping
from benchsweep.session.stages import Stage, confirmation_stages, search_stages
from benchsweep.terminal import redirected, typed_command
from search.cluster.access import THIS_MACHINE, Site
from search.engine.events import Event, Started
from search.engine.processes import Descendants
from search.engine.search import Search
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from trainable.contract import data_folder
from trainable.user_code import TrainableError


@dataclass(frozen=True)
class RunOptions:
    """How a search is run and shown."""

    output: OutputMode
    """What is printed while it runs."""
    data_dir: Path | None = None
    """The value of --data-dir; None if it was not given."""
    site: Site = THIS_MACHINE
    """Where trials are trained."""
    live_report: bool = False
    """Whether the report is also written while the search runs."""

    @classmethod
    def of(
        cls, data_dir: Path | None, site: Site, quiet: bool, json: bool, live_report: bool = False
    ) -> RunOptions:
        """From the command line. --json takes precedence over --quiet: its last line is the summary
        anyway."""
        return cls("json" if json else "quiet" if quiet else "live", data_dir, site, live_report)

    def resume_command(self, run: RunFolder) -> str:
        """The command that continues the run from the current folder."""
        words = ["resume", run.reference]
        if self.data_dir is not None:
            words += ["--data-dir", str(self.data_dir)]
        if self.site.local:
            words.append("--local")
        if self.site.address is not None:
            words += ["--address", self.site.address, *(["--ship-code"] if self.site.ship_code else [])]
        return typed_command(*words)


def site_of(address: str | None, ship_code: bool, local: bool) -> Site:
    """Where the options say to train. --local takes precedence over an address from the environment.

    Raises UsageError if --local is given together with --address."""
    if local and address is not None and address != os.environ.get("RAY_ADDRESS"):
        raise UsageError(
            f"--local trains in this process, but --address {address} names a cluster",
            "leave out one of them",
        )
    return Site(local=True) if local else Site(address, ship_code)


def run_search(
    run: RunFolder,
    plan: Plan | Callable[[Sweep], Plan],
    options: RunOptions,
    *,
    new_run_command: str | None = None,
    extend: bool = False,
    warm_start: Path | None = None,
) -> None:
    """Search until the budget is spent or a signal arrives, confirm the best trials, evaluate the finalists
    on the test set, write the report.

    plan, extend, warm_start: as in `search.start.starting`. new_run_command: suggested if the run was
    finished before. Exits with the signal's exit code if the search was interrupted."""

    stages = search_stages(
        run,
        plan,
        data_folder(options.data_dir),
        options.site,
        _print_notice,
        extend=extend,
        warm_start=warm_start,
        notes=options.output == "live",
    )
    _run_stages(run, stages, options, new_run_command)


def run_confirmation(run: RunFolder, options: RunOptions, candidates: int | None, seeds: int | None) -> None:
    """The same for the confirmation of a run alone. candidates, seeds: replace the plan's; None keeps
    them."""

    folder = data_folder(options.data_dir)
    stages = confirmation_stages(run, folder, options.site, _print_notice, candidates, seeds)
    _run_stages(run, stages, options, None)


def _print_notice(sentence: str) -> None:
    terminal.say(terminal.err(), sentence)


def _run_stages(
    run: RunFolder, stages: Generator[Stage], options: RunOptions, new_run_command: str | None
) -> None:
    """Run one stage after the other, as long as each is complete."""
    resume_command, folder = options.resume_command(run), data_folder(options.data_dir)
    begun: list[Stage] = []
    stop_signal = StopSignal()
    try:
        with closing(stages), live_report(run) if options.live_report else nullcontext():
            for stage in stages:
                begun.append(stage)
                # A debugger, like anything that the trainable prints, needs the terminal.
                in_terminal = options.site.local and options.output == "live"
                redirection = nullcontext(terminal.own()) if in_terminal else redirected(run.log)
                with resumable(run, resume_command), redirection as streams:
                    display = display_for(options.output, stage.progress, streams, live=not in_terminal)
                    stop_signal = _show(stage, display, resume_command, folder)
                if not stage.complete:
                    break
    finally:
        # Whatever fails later, such as opening the test set: what the search found is reported.
        if begun and begun[0].progress.ended is not None:
            progress = begun[0].progress
            if begun[-1].progress.ended is not None and not begun[-1].complete:
                progress.ended = begun[-1].progress.ended
            # Imports pandas, scipy and plotly, which must not delay the first epoch.
            from benchsweep.screen.ending import conclude

            with resumable(run, resume_command):
                sweep = conclude(
                    run, progress, options.output, _next_commands(run, begun, resume_command, new_run_command)
                )
    last = begun[-1]
    if last.progress.ended is None:
        raise Interrupted(f"no trial had started yet; continue with: {resume_command}", stop_signal.exit_code)
    if not last.complete:
        raise typer.Exit(stop_signal.exit_code)
    if sweep.top() is None:  # every trial failed, diverged or was pruned
        raise typer.Exit(FAILURE)


def _next_commands(
    run: RunFolder, begun: list[Stage], resume_command: str, new_run_command: str | None
) -> list[str]:
    """What the user may type next."""
    if not begun[-1].complete:
        return [resume_command]
    report_command = typed_command("report", run.reference, "--open")
    nothing_trained = all(stage.progress.started is None for stage in begun)
    return [report_command, *([new_run_command] if new_run_command and nothing_trained else [])]


def _show(stage: Stage, display: Display, resume_command: str, data: Path) -> StopSignal:
    """Show the stage until its events end; then, if it is complete and the last one, open the test set."""

    def leave() -> None:
        display.restore()
        with suppress(OSError):  # nobody may be there to read it
            os.write(display.streams.err.fileno(), f"quit; continue with: {resume_command}\n".encode())

    # `closing`: if showing fails (a pipe whose reader has left), the search still ends in order.
    with (
        stopping(stage.search.stop, display.say, leave) as stop_signal,
        closing(_events(stage.search)) as events,
        display,
    ):
        try:
            for event in events:
                display.take(event)
                if isinstance(event, Started):
                    stop_signal.catch()
        except SystemExit as error:  # raised by Ray's own handler while it starts; its code is the signal
            if error.code != signal.SIGTERM:
                raise
            Descendants(os.getpid()).kill()
        stage.finish(data)
    return stop_signal


def _events(search: Search) -> Generator[Event]:
    yield from search


@contextmanager
def resumable(run: RunFolder, resume_command: str) -> Iterator[None]:
    """Adds to every error raised inside how to continue the run, and where its log is."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"finished epochs are kept; continue with: {resume_command}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(run.path)  # the error of a full disk names no file
        if isinstance(error, TrainableError) and error.trace:
            with suppress(OSError), run.log.open("a") as log:
                log.write(error.trace)
        error.add_note(f"finished epochs are kept; continue with: {resume_command}")
        error.add_note(f"the output of Ray and its workers is in {run.log}")
        raise
