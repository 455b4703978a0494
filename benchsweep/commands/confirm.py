"""`benchsweep confirm`: a search's best trials, trained again with fresh seeds."""

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
            min=1, metavar="K", help="How many of the best trials to train again.", show_default="the plan's"
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Fresh seeds of each, at most.", show_default="the plan's"),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Also train a final model, with the validation images too.")
    ] = False,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    address: AddressOption = None,
    ship_code: ShipCodeOption = False,
    local: LocalOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Find out which of a run's best trials are good, and which were lucky.

    The best trials and the plan's default recipe are trained again with fresh seeds, in parallel on Ray,
    and compared on the validation images until they are told apart, or all seeds are used up: then they
    are tied. Those that are left, and the default recipe, are evaluated on the test set, once. `run` does
    this at its end by itself, as its plan's [confirmation] asks.

    Given again, it goes on where it was; what was trained is not trained again, with more --seeds either.
    --retrain then trains the winner's recipe once more, in this process, on training and validation images
    together, looks at the test set with it, which is recorded, and saves it in the run's folder final.

    --json is as in `run`, each line with "stage": "confirmation".

    Exit codes: as of `run`.
    """
    from benchsweep.find import run_folder
    from benchsweep.session.carry_out import RunOptions, carry_confirmation, site_of

    wish = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json)
    folder = run_folder(run, runs)
    carry_confirmation(folder, wish, candidates, seeds)
    if retrain:
        from benchsweep.session.final_model import retrain_winner
        from trainable.contract import data_folder

        retrain_winner(folder, data_folder(data_dir), wish.form)
