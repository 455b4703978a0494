"""`benchsweep reproduce`: trains a recorded trial again and compares it bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption


def reproduce(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="The name of a run below --runs, or its folder; not with --from.",
            show_default=False,
        ),
    ] = None,
    trial: Annotated[str, typer.Argument(metavar="[TRIAL]", help="A number, best, or default.")] = "best",
    seeds: Annotated[
        int, typer.Option(min=0, metavar="N", help="Also train its first N reruns with fresh seeds again.")
    ] = 0,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A report.html or results.json to read the record from, in place of RUN.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Another device.", show_default="the trial's")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Another number of threads.", show_default="the trial's")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed.", show_default="the trial's")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How much the last score may differ under other conditions.",
            show_default="0.005 of a share, 5 % of another metric",
        ),
    ] = None,
    any_code: Annotated[
        bool,
        typer.Option(
            "--any-code", help="With --from, train with another trainable than the recorded one too."
        ),
    ] = False,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Train a recorded trial again and compare it.

    The trial is trained in this process, without Ray, on the device and with the threads of the original.
    Every epoch and the weights are compared. "default" is the plan's default recipe, as the run's
    confirmation trained it with its first fresh seed.

    --from imports the trainable that the file names. It must be the recorded one, by its SHA-256, unless
    --any-code is given.

    If nothing has changed, the result must be the same to the bit. If the processor, the versions, the
    code, the device, the threads or the seed are different, each difference is listed, and the last score
    may differ by the tolerance. A record that contradicts itself fails: for example, a recipe that is not
    the one trained, or weights of another training.

    --json prints an array with an object for each training: name, epochs, outcome (exact, close or
    different), exact, weights_compared, differences, conditions, faults, score, recorded, tolerance.

    Exit codes: 0 the same to the bit, or close under other conditions; 1 different.
    """
    from benchsweep.actions.reproduce import Changes, reproduce_trial

    changes = Changes(device, threads, seed, tolerance)
    reproduce_trial(run, trial, seeds, source, changes, runs, data_dir, json, any_code)
