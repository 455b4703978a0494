"""`benchsweep check`: a gate for continuous integration, on a run or a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.options import RUNS, JsonOption, RunsOption

if TYPE_CHECKING:
    from reports.analysis.gate import Measurement

_MEASURED = "A run's name below --runs, its folder, or a folder that `benchsweep train` saved in."


def check(
    run: Annotated[str, typer.Argument(metavar="RUN", help=_MEASURED)],
    against: Annotated[
        str,
        typer.Option(
            metavar="BENCHMARK|RUN", help="A published row's key, as origin-improved, or the same as RUN."
        ),
    ],
    level: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Of the paired test: the share of false alarms.")
    ] = 0.05,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Fail where a run's test accuracy is significantly worse than another run's or a published one.

    Two measurements are compared image by image, over all seeds of each; of a published row only its
    figure is known, so it is compared with our 95 % interval. It opens nothing: both were measured before.

    --json prints one object: ours, theirs, standing (better, tied or worse), passed, accuracy, interval,
    other, comparison (difference, low, high, p, level) or null, sentence.

    Exit codes: 0 better or tied, 1 worse, 2 nothing to compare.
    """
    from benchsweep import terminal
    from reports.analysis.benchmarks import read_benchmarks
    from reports.analysis.gate import against as compared
    from reports.analysis.gate import against_row

    ours = _measurement(run, runs)
    benchmarks = read_benchmarks()
    if against in set(benchmarks["key"]):
        gate = against_row(ours, against, benchmarks)
    else:
        gate = compared(ours, _measurement(against, runs), level)
    if json:
        comparison = None if gate.comparison is None else gate.comparison._asdict()
        told = {**vars(gate), "interval": gate.interval._asdict(), "comparison": comparison}
        terminal.print_json({**told, "passed": gate.passed, "sentence": gate.sentence})
    else:
        terminal.say(terminal.out(), gate.sentence)
    if not gate.passed:
        raise typer.Exit(1)


def _measurement(named: str, runs: Path) -> Measurement:
    from benchsweep.find import run_folder
    from reports.analysis.gate import Measurement
    from search.records.sweep import Sweep

    for folder in (Path(named), runs / named):
        if (folder / "train.json").is_file():
            return Measurement.of_training(folder / "train.json")
    return Measurement.of_sweep(Sweep.read(run_folder(named, runs).path))
