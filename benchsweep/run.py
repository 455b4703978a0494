"""`benchsweep run` and `benchsweep resume`: carry a search out, or on."""

from __future__ import annotations

from benchsweep.options import (
    RUNS,
    Address,
    Config,
    DataDir,
    DatasetName,
    Json,
    Name,
    Quiet,
    Run,
    Runs,
    Set,
)


def run(
    config: Config,
    sets: Set = [],  # noqa: B006  typer copies it
    name: Name = None,
    runs: Runs = RUNS,
    data_dir: DataDir = None,
    dataset: DatasetName = None,
    address: Address = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search what a plan asks for, and rank the winner.

    The run is kept in runs/NAME. A run that exists with the same plan is continued: nothing that
    is finished is done again. Ctrl-C stops it so that it can be resumed; twice, at once.

    At the end the best trial, chosen on validation alone, is evaluated on the test set once.

    --json prints one object a line for each event: "event" is started, trial_started,
    epoch_reported, trial_ended or ended, and at last summary, with the run's state, best trial,
    test figures, files and the command to go on with.

    Exit codes: 0 finished, 2 a fault in the plan or the command, 1 something went wrong,
    130 Ctrl-C, 143 SIGTERM.
    """
    # What needs ray, torch, optuna or pandas is imported in commands, so that --help is instant.
    from benchsweep.carry_out import Wish, carry_out
    from benchsweep.find import read_plan
    from search.folder import RunFolder

    plan = read_plan(config, sets, dataset, name)
    plan.check_searchable(str(config))
    carry_out(RunFolder.named(plan.name, runs), plan, Wish.of(data_dir, address, quiet, json))


def resume(
    run: Run,
    runs: Runs = RUNS,
    data_dir: DataDir = None,
    address: Address = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Continue a run to the end of its budget, by the plan it began with.

    Interrupted trials go on from their last finished epoch, under their own numbers. On a run that
    is finished, this shows its end again and writes its report anew. --json is as in `run`.
    """
    from benchsweep.carry_out import Wish, carry_out
    from benchsweep.find import run_folder
    from search.plan import Plan

    folder = run_folder(run, runs)
    carry_out(folder, Plan.read(folder.plan), Wish.of(data_dir, address, quiet, json))
