"""`benchsweep run`, `resume`, `extend` and `confirm`: find the run and the plan, then search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.find import changed_plan, read_plan, run_folder
from benchsweep.session.expected_time import expected_time
from benchsweep.session.final_model import retrain_winner
from benchsweep.session.search import RunOptions, run_confirmation, run_search, site_of
from search.extend import BudgetIncrease, extended_plan
from search.plan.budget import parse_duration
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.retry import plan_with_failed
from search.start import plan_of
from trainable.contract import data_folder

__all__ = ["RunOptions", "confirm_run", "extend_run", "resume_run", "site_of", "start_run"]


def start_run(
    config: Path,
    sets: Sequence[str],
    name: str | None,
    runs: Path,
    dataset: str | None,
    warm_start: str | None,
    trial_timeout: str | None,
    options: RunOptions,
) -> None:
    """Starts a run, or continues the run of that name."""
    plan = read_plan(config, sets, dataset, name, trial_timeout)
    plan.check_searchable(str(config))
    origin = None if warm_start is None else run_folder(warm_start, runs).path
    run = RunFolder.named(plan.name, runs)
    if options.output == "live" and not run.begun and (sentence := expected_time(plan, runs, options.site)):
        terminal.say(terminal.err(), sentence)
    run_search(run, plan, options, warm_start=origin)


def resume_run(
    run: str, runs: Path, trial_timeout: str | None, options: RunOptions, failed: bool = False
) -> None:
    """Continues a run with its own plan. failed: whether to train its failed trials again."""

    def plan(sweep: Sweep) -> Plan:
        plan = changed_plan(plan_of(sweep), trial_timeout)
        return plan_with_failed(plan, sweep) if failed else plan

    run_search(run_folder(run, runs), plan, options)


def extend_run(
    run: str,
    runs: Path,
    sets: Sequence[str],
    trials: int | None,
    time: str | None,
    epochs: int | None,
    trial_timeout: str | None,
    options: RunOptions,
) -> None:
    """Continues a run with more budget or a changed plan."""
    try:
        wall_time = None if time is None else parse_duration(time)
    except ValueError as error:
        raise UsageError(f"--time {error}") from None
    increase = BudgetIncrease(trials, wall_time, epochs)

    def plan(sweep: Sweep) -> Plan:
        recorded = plan_of(sweep)
        return extended_plan(changed_plan(recorded, trial_timeout), sweep, increase, sets, recorded)

    run_search(run_folder(run, runs), plan, options, extend=True)


def confirm_run(
    run: str, runs: Path, options: RunOptions, candidates: int | None, seeds: int | None, retrain: bool
) -> None:
    """Confirms a run's best trials, and with `retrain` trains a final model."""
    folder = run_folder(run, runs)
    run_confirmation(folder, options, candidates, seeds)
    if retrain:
        retrain_winner(folder, data_folder(options.data_dir), options.output)
