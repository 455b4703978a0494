"""`benchsweep run`, `resume` and `extend`: carry a search out, or on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from search.plan.plan import Plan


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
    """Search what a plan asks for, and rank the winner.

    The run is kept in runs/NAME. A run that exists is continued: nothing that is finished is done
    again. Since then the plan's resources may have changed, and its budget may have grown; for anything
    else the difference is shown, and `extend` or another --name is needed. Ctrl-C stops it so that it can
    be resumed; twice, at once.

    At the end the best trial, chosen on validation alone, is evaluated on the test set once.

    --json prints one object a line for each event: "event" is noted, started, resized,
    trial_started, epoch_reported, trial_ended or ended, and at last summary, with the run's state,
    best trial, test figures, files and the command to go on with.

    Exit codes: 0 finished, 2 a fault in the plan or the command, 1 something went wrong,
    130 Ctrl-C or `benchsweep stop`, 143 SIGTERM.
    """
    # What needs ray, torch, optuna or pandas is imported in commands, so that --help is instant.
    from benchsweep.find import read_plan, run_folder
    from benchsweep.session.carry_out import RunOptions, carry_out, site_of
    from search.records.folder import RunFolder

    plan = read_plan(config, sets, dataset, name, trial_timeout)
    plan.check_searchable(str(config))
    origin = None if warm_start is None else run_folder(warm_start, runs).path
    wish = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json, live_report)
    carry_out(RunFolder.named(plan.name, runs), plan, wish, warm_start=origin)


def resume(
    run: RunArgument,
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
    """Continue a run to the end of its budget, by its own plan.

    Interrupted trials go on from their last finished epoch, under their own numbers. On a run that
    is finished, this shows its end again and writes its report anew. --json is as in `run`.
    """
    from benchsweep.find import changed_plan, run_folder
    from benchsweep.session.carry_out import RunOptions, carry_out, site_of
    from search.records.sweep import Sweep
    from search.start import plan_of

    def plan(sweep: Sweep) -> Plan:
        return changed_plan(plan_of(sweep), trial_timeout)

    wish = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json, live_report)
    carry_out(run_folder(run, runs), plan, wish)


def extend(
    run: RunArgument,
    sets: SetOption = [],  # noqa: B006  typer copies it
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="So many more.", show_default=False)
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="So much longer, as 30m or 1h.", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", min=1, help="So many more.", show_default=False)
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
    """Give a run more budget or another space, and go on with it.

    --trials, --time and --epochs add to the budget; a limit that is spent already, and is not named,
    is lifted. --set changes the space, the sampler, the pruner, the resources, or what the recipe
    fixes: every trial is kept, and those that the new plan could have drawn are learned from. What
    changed is recorded as a version of the plan, and shown in the report. --json is as in `run`.
    """
    from benchsweep.errors import UsageError
    from benchsweep.find import changed_plan, run_folder
    from benchsweep.session.carry_out import RunOptions, carry_out, site_of
    from search.extend import More, extended
    from search.plan.budget import parse_duration
    from search.records.sweep import Sweep
    from search.start import plan_of

    try:
        longer = None if time is None else parse_duration(time)
    except ValueError as error:
        raise UsageError(f"--time {error}") from None
    more = More(trials, longer, epochs)

    def plan(sweep: Sweep) -> Plan:
        recorded = plan_of(sweep)
        return extended(changed_plan(recorded, trial_timeout), sweep, more, sets, recorded)

    wish = RunOptions.of(data_dir, site_of(address, ship_code, local), quiet, json, live_report)
    carry_out(run_folder(run, runs), plan, wish, extend=True)
