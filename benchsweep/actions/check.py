"""`benchsweep check`: compares recorded test accuracies, and fails if ours is significantly lower."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE
from benchsweep.find import run_folder
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.gate import Measurement, against_row
from reports.analysis.gate import against as against_measurement
from search.records.sweep import Sweep


def check_accuracy(run: str, against: str, level: float, runs: Path, json: bool) -> None:
    """Prints how RUN compares with a published result or with another run. Exits with 1 if it is worse."""
    ours = _measurement(run, runs)
    benchmarks = read_benchmarks()
    if against in set(benchmarks["key"]):
        gate = against_row(ours, against, benchmarks)
    else:
        gate = against_measurement(ours, _measurement(against, runs), level)
    if json:
        comparison = None if gate.comparison is None else gate.comparison._asdict()
        figures = {**vars(gate), "interval": gate.interval._asdict(), "comparison": comparison}
        terminal.print_json({**figures, "passed": gate.passed, "sentence": gate.sentence})
    else:
        terminal.say(terminal.out(), gate.sentence)
    if not gate.passed:
        raise typer.Exit(FAILURE)


def _measurement(name: str, runs: Path) -> Measurement:
    for folder in (Path(name), runs / name):
        if (folder / "train.json").is_file():
            return Measurement.of_training(folder / "train.json")
    return Measurement.of_sweep(Sweep.read(run_folder(name, runs).path))
