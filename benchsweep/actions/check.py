"""`benchsweep check`: compares recorded test accuracies, and fails if ours is significantly lower."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE, UsageError
from benchsweep.find import run_folder
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.gate import Measurement, compare_measurements, compare_with_published
from search.records.folder import NotARun
from search.records.sweep import Sweep


def check_accuracy(run: str, against: str, level: float, runs: Path, json: bool) -> None:
    """Prints how RUN compares with a published result or with another run. Exits with 1 if it is worse."""
    ours = _measurement(run, runs)
    benchmarks = read_benchmarks()
    if against in set(benchmarks["key"]):
        gate = compare_with_published(ours, against, benchmarks)
    else:
        try:
            theirs = _measurement(against, runs)
        except NotARun as error:
            raise UsageError(
                f"--against must name a published result or a run, but got {against}",
                f"published: {', '.join(_nearest_first(against, list(benchmarks['key'])))}; runs: {error}",
            ) from error
        gate = compare_measurements(ours, theirs, level)
    if json:
        comparison = None if gate.comparison is None else gate.comparison._asdict()
        figures = {**vars(gate), "interval": gate.interval._asdict(), "comparison": comparison}
        terminal.print_json({**figures, "passed": gate.passed, "sentence": gate.sentence})
    else:
        terminal.say(terminal.out(), gate.sentence)
    if not gate.passed:
        raise typer.Exit(FAILURE)


def _nearest_first(name: str, keys: list[str]) -> list[str]:
    """The keys that contain the name, then the others."""
    return sorted(keys, key=lambda key: name.lower() not in key.lower())


def _measurement(name: str, runs: Path) -> Measurement:
    for folder in (Path(name), runs / name):
        if (folder / "train.json").is_file():
            return Measurement.of_training(folder / "train.json")
    return Measurement.of_sweep(Sweep.read(run_folder(name, runs).path))
