"""`benchsweep reproduce`: trains a recorded trial again and prints how it compares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE, UsageError
from benchsweep.find import run_folder, trial_of
from benchsweep.report_record import read_report, recorded_best
from reports.analysis.provenance import code_changes
from search.records.sweep import Sweep
from search.reproduce import (
    Changes,
    RecordedTraining,
    Reproduction,
    recorded_reruns,
    recorded_trial,
    reproduce,
)
from search.start import plan_of
from trainable.contract import data_folder, is_built_in, trainable_files

__all__ = ["Changes", "originals", "reproduce_trial"]

_SHOWN = 5
"""Differences printed for each training, at most."""


def reproduce_trial(
    run: str | None,
    trial: str,
    seeds: int,
    source: Path | None,
    changes: Changes,
    runs: Path,
    data_dir: Path | None,
    json: bool,
    any_code: bool,
) -> None:
    """Trains the trial and, with `seeds`, its reruns. Exits with 1 if one is different.

    any_code: whether a trainable may be another one than the report recorded.
    """
    if source is not None and run is not None and trial == "best":
        trial, run = run, None  # with --from there is no RUN, and the one argument is TRIAL
    if (run is None) == (source is None):
        raise UsageError(
            "either RUN or --from FILE must be given, not both", "`benchsweep list` shows all runs"
        )
    if source is not None:
        sweep = read_report(source)
        trial = recorded_best(source) if trial == "best" else trial
        _check_code(sweep, source, any_code)
    else:
        assert run is not None
        sweep = Sweep.read(run_folder(run, runs).path)
    plan, out = plan_of(sweep), terminal.out()
    reproductions: list[Reproduction] = []
    for training in originals(sweep, trial, seeds):
        for update in reproduce(plan, training, data_folder(data_dir), changes):
            if isinstance(update, Reproduction):
                reproductions.append(update)
            elif not json:
                score = sweep.metric.format(update.metrics[sweep.metric.name])
                terminal.say(out, f"{training.name}, epoch {update.number}: {score}")
        if not json:
            for line in _lines(reproductions[-1], sweep.metric.format):
                terminal.say(out, line)
    if not json:
        for sentence in code_changes(sweep):
            terminal.say(out, f"on record: {sentence}")
    if json:
        terminal.print_json(
            [{**vars(done), "exact": done.exact, "outcome": done.outcome} for done in reproductions]
        )
    if any(done.outcome == "different" for done in reproductions):
        raise typer.Exit(FAILURE)


def _check_code(sweep: Sweep, source: Path, any_code: bool) -> None:
    """Says which trainable is about to be imported, since a report of somebody else names it. Raises
    UsageError unless it is the one that was recorded, or any may be."""
    name = sweep.plan.trainable
    if is_built_in(name):
        return
    files = trainable_files(name)
    digest = hashlib.sha256(files[-1].read_bytes()).hexdigest() if files else None
    recorded = sweep.environment.get("trainable_sha256")
    if digest is not None:
        terminal.say(
            terminal.err(), f"{source} names the trainable {name}: here {files[-1]}, SHA-256 {digest}"
        )
    if digest is not None and digest != recorded and not any_code:
        raise UsageError(
            f"the trainable must be the one that {source} recorded (SHA-256 {recorded or 'missing'}), but "
            f"{name} is another file here",
            "get that version of it; or read the file, and give --any-code to train with it all the same",
        )


def originals(sweep: Sweep, trial: str, seeds: int) -> list[RecordedTraining]:
    """The recorded trainings that are repeated. trial: a number, "best" or "default"; seeds: how many of its
    reruns too. Raises CannotReproduce and UsageError."""
    if trial == "default" or (trial == "best" and sweep.best() is None and sweep.top() is not None):
        return recorded_reruns(sweep, None, max(1, seeds))
    number = trial_of(sweep, trial).number
    return [recorded_trial(sweep, number), *recorded_reruns(sweep, number, seeds)]


def _lines(done: Reproduction, score: Callable[[float], str]) -> list[str]:
    """The outcome in sentences."""
    if done.outcome == "exact":
        weights = "all weights" if done.weights_compared else "not the weights, which were not recorded"
        return [f"reproduced to the bit: {done.name}, {done.epochs} epochs and {weights}"]
    figures = f"last score {score(done.score)}, recorded {score(done.recorded)}"
    conditions = [f"different from then: {condition}" for condition in done.conditions]
    if done.outcome == "close":
        return [f"reproduced within the tolerance of {done.tolerance:g}: {done.name}, {figures}", *conditions]
    hidden = len(done.differences) - _SHOWN
    return [
        f"not reproduced: {done.name}, {figures} (tolerance {done.tolerance:g})",
        *(f"because {fault}" for fault in done.faults),
        *conditions,
        *(f"  {difference}" for difference in done.differences[:_SHOWN]),
        *([f"  and {hidden} more"] if hidden > 0 else []),
    ]
