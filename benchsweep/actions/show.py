"""`benchsweep show`: prints a run or a trial."""

from __future__ import annotations

from pathlib import Path

from benchsweep import terminal
from benchsweep.find import run_or_newest, trial_of
from benchsweep.screen.tables import print_run, print_trial
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.verdict import reproduce_command
from reports.exports.results import results
from search.records.sweep import Sweep


def show_run(run: str | None, name: str | None, runs: Path, json: bool) -> None:
    """name: of a trial; None shows the run."""
    sweep = Sweep.read(run_or_newest(run, runs).path, partly=True)
    if sweep.damage is not None:
        terminal.say(terminal.err(), f"damaged: {sweep.damage}")
    trial = None if name is None else trial_of(sweep, name)
    if json:
        document = results(sweep, read_benchmarks(), reproduce_command(sweep))
        if trial is not None:
            document = next(entry for entry in document["trials"] if entry["number"] == trial.number)
        terminal.print_json(document)
    elif trial is not None:
        print_trial(terminal.out(), sweep, trial)
    else:
        print_run(terminal.out(), sweep)
