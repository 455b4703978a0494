"""`benchsweep confirm`: trains a search's best trials again with fresh seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import (
    RUNS,
    AddressOption,
    DataDirOption,
    JsonOption,
    LocalOption,
    QuietOption,
    RunArgument,
    RunsOption,
    ShipCodeOption,
)


def confirm(
    run: RunArgument,
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="How many of the best trials to train again.",
            show_default="the plan's, or 4 where that is 0",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Maximum number of fresh seeds for each.", show_default="the plan's"
        ),
    ] = None,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain", help="Also train a final model on training and validation images together."
        ),
    ] = False,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    address: AddressOption = None,
    ship_code: ShipCodeOption = False,
    local: LocalOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Train a run's best trials again with fresh seeds.

    This shows which of the best trials are good and which were lucky. They and the plan's default recipe
    are trained in parallel on Ray and compared on the validation images, until they differ significantly or
    all seeds are used; then they are tied. The remaining trials and the default recipe are then evaluated
    on the test set, once. `run` does the same at its end, as the plan's [confirmation] table says.

    A second call continues where the first one stopped. Nothing is trained twice, not even with more
    --seeds. --retrain then trains the winner's recipe once more, in this process, on training and
    validation images together, evaluates it on the test set, which is recorded, and saves it in the folder
    `final` of the run.

    --json is as for `run`, each line with "stage": "confirmation".

    Exit codes: as for `run`.
    """
    from benchsweep.actions.search import RunOptions, confirm_run, site_of

    options = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json)
    confirm_run(run, runs, options, candidates, seeds, retrain)
