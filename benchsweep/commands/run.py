"""`benchsweep run`, `resume` and `extend`: start or continue a search."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import (
    RUNS,
    AddressOption,
    DataDirOption,
    DatasetOption,
    JsonOption,
    LiveReportOption,
    LocalOption,
    NameOption,
    PlanArgument,
    QuietOption,
    RunArgument,
    RunsOption,
    SetOption,
    ShipCodeOption,
    TrialTimeoutOption,
    WarmStartOption,
)


def run(
    config: PlanArgument,
    sets: SetOption = [],  # noqa: B006  typer copies it
    name: NameOption = None,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    dataset: DatasetOption = None,
    address: AddressOption = None,
    ship_code: ShipCodeOption = False,
    local: LocalOption = False,
    warm_start: WarmStartOption = None,
    trial_timeout: TrialTimeoutOption = None,
    live_report: LiveReportOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Search as a plan describes, confirm the winner, write the report.

    The run is stored in runs/NAME. An existing run of that name is continued: finished trials are not
    trained again. Its plan may have other resources and a larger budget now; for any other change the
    command shows the difference, and `extend` or another --name is needed. Ctrl-C stops the search so that
    it can be resumed; a second Ctrl-C quits at once.

    At the end the best trial, chosen by validation data only, is evaluated on the test set once.

    --json prints one object a line for each event: "event" is noted, started, resized, trial_started,
    epoch_reported, trial_ended or ended. The last line has event summary: what `list --json` prints of a
    run, and reason, detail, epochs_saved, files, and next (the command to continue with).

    Exit codes: 0 finished, 1 no trial was trained to its end, or an error, 2 a fault in the plan or the
    command, 130 Ctrl-C or `benchsweep stop`, 143 SIGTERM.
    """
    from benchsweep.actions.search import RunOptions, site_of, start_run

    options = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json, live_report)
    start_run(config, sets, name, runs, dataset, warm_start, trial_timeout, options)


def resume(
    run: RunArgument,
    failed: Annotated[
        bool,
        typer.Option("--failed", help="Train the recipes of failed trials again, as trials of their own."),
    ] = False,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    address: AddressOption = None,
    ship_code: ShipCodeOption = False,
    local: LocalOption = False,
    trial_timeout: TrialTimeoutOption = None,
    live_report: LiveReportOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Continue a run until its budget is spent.

    The run's own plan is used. Interrupted trials continue from their last finished epoch, under their own
    numbers. With --failed, for when the code was mended, each failed trial's recipe is trained again first;
    the budget grows by as many trials. For a finished run, the command prints its results and writes its
    report again. --json is as for `run`.
    """
    from benchsweep.actions.search import RunOptions, resume_run, site_of

    options = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json, live_report)
    resume_run(run, runs, trial_timeout, options, failed)


def extend(
    run: RunArgument,
    sets: SetOption = [],  # noqa: B006  typer copies it
    trials: Annotated[
        int | None,
        typer.Option("--trials", metavar="N", min=1, help="Add N trials to the budget.", show_default=False),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            metavar="TIME",
            help="Add wall time to the budget, for example 30m or 1h.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", metavar="N", min=1, help="Add N epochs, of all trials together.", show_default=False
        ),
    ] = None,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    address: AddressOption = None,
    ship_code: ShipCodeOption = False,
    local: LocalOption = False,
    trial_timeout: TrialTimeoutOption = None,
    live_report: LiveReportOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Give a run more budget or another space, and continue it.

    --trials, --time and --epochs add to the budget. A limit that is already spent and that nothing is added
    to is removed. --set changes the space, the sampler, the pruner, the resources, or the fixed
    hyperparameters: every trial is kept, and the sampler learns from those that the new plan could have
    suggested. The change is recorded as a version of the plan and shown in the report. --json is as for
    `run`.
    """
    from benchsweep.actions.search import RunOptions, extend_run, site_of

    options = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json, live_report)
    extend_run(run, runs, sets, trials, time, epochs, trial_timeout, options)
