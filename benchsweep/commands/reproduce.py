"""`benchsweep reproduce`: a recorded training again, without Ray, compared to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from search.reproduce import Reproduction


def reproduce(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's name below --runs, or its folder.", show_default=False),
    ] = None,
    trial: Annotated[str, typer.Argument(metavar="[TRIAL]", help="A number, best, or default.")] = "best",
    seeds: Annotated[
        int, typer.Option(min=0, metavar="N", help="Also the first N of its reruns with fresh seeds.")
    ] = 0,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A report.html or results.json to take the record from, in place of RUN.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Another device.", show_default="the trial's")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Another thread count.", show_default="the trial's")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed.", show_default="the trial's")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How far the last score may be off under other conditions.",
            show_default="0.005 of a share, 5 % of another metric",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Train a recorded trial again, in this process, and compare every epoch and the weights.

    "default" is the plan's default recipe, as the run's confirmation trained it with its first fresh seed.

    It trains on the device and threads the trial had. Where processor, versions, code, device, threads
    or seed are not as they were, each is named, and the last score may differ by the tolerance; where all
    are, it must come to the same bits. A record that contradicts itself (a recipe that is not the one
    trained, weights of another training) fails, and is told apart.

    --json prints an array with an object for each training: name, epochs, outcome (exact, close or
    different), exact, weights_compared, differences, conditions, faults, score, recorded, tolerance.

    Exit codes: 0 the same to the bit, or close under other conditions; 1 neither.
    """
    from benchsweep import terminal
    from benchsweep.errors import UsageError
    from benchsweep.find import run_folder, trial_of
    from search.records.sweep import Sweep
    from search.reproduce import Changes, Reproduction, original, reproduce, reruns
    from search.start import plan_of
    from trainable.contract import data_folder

    if (run is None) == (source is None):
        raise UsageError("RUN or --from FILE must be given, and not both; `benchsweep list` shows the runs")
    if source is not None:
        from benchsweep.report_record import reported

        sweep = reported(source)
        trial = trial if run is None else run
    else:
        assert run is not None
        sweep = Sweep.read(run_folder(run, runs).path)
    plan, out = plan_of(sweep), terminal.out()
    changes = Changes(device, threads, seed, tolerance)
    done: list[Reproduction] = []
    if trial == "default":
        originals = reruns(sweep, None, max(1, seeds))
    else:
        number = trial_of(sweep, trial).number
        originals = [original(sweep, number), *reruns(sweep, number, seeds)]
    for each in originals:
        for told in reproduce(plan, each, data_folder(data_dir), changes):
            if isinstance(told, Reproduction):
                done.append(told)
            elif not json:
                score = sweep.metric.format(told.metrics[sweep.metric.name])
                terminal.say(out, f"{each.name}, epoch {told.number}: {score}")
        if not json:
            for line in _lines(done[-1], sweep.metric.format):
                terminal.say(out, line)
    if json:
        terminal.print_json([{**vars(told), "exact": told.exact, "outcome": told.outcome} for told in done])
    if any(told.outcome == "different" for told in done):
        raise typer.Exit(1)


def _lines(told: Reproduction, score: Callable[[float], str]) -> list[str]:
    """What came of it, as sentences."""
    if told.outcome == "exact":
        weights = "all weights" if told.weights_compared else "not the weights, which are not on record"
        return [f"reproduced to the bit: {told.name}, {told.epochs} epochs and {weights}"]
    figures = f"{score(told.score)} at last, {score(told.recorded)} on record"
    if told.outcome == "close":
        head = f"reproduced within the tolerance of {told.tolerance:g}: {told.name}, {figures}"
        return [head, *(f"not as it was: {condition}" for condition in told.conditions)]
    return [
        f"not reproduced: {told.name}, {figures} (tolerance {told.tolerance:g})",
        *(f"because {fault}" for fault in told.faults),
        *(f"not as it was: {condition}" for condition in told.conditions),
        *(f"  {difference}" for difference in told.differences[:5]),
        *([f"  and {len(told.differences) - 5} more"] if len(told.differences) > 5 else []),
    ]
