"""`benchsweep enqueue`: leaves a request in the run's folder, which its search takes as its next trial."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchsweep import terminal
from benchsweep.find import run_folder
from benchsweep.progress.run_status import RunStatus, next_command
from benchsweep.screen.lines import hyperparameters
from benchsweep.terminal import typed_command
from search.plan.fault import Fault
from search.plan.override import Override
from search.plan.plan import PlanError
from search.records.enqueued import enqueue, enqueued
from search.records.folder import RunFolder
from search.start import plan_of


def enqueue_recipe(run: str, written: Sequence[str], runs: Path, json: bool) -> None:
    """Checks the recipe against the run's plan and writes the request. Raises PlanError."""
    folder = run_folder(run, runs)
    status = RunStatus.read(folder, datetime.now(UTC))
    plan = plan_of(status.sweep)
    parsed = [Override.parse(text) for text in written]
    values = {}
    faults = [each for each in parsed if isinstance(each, Fault)]
    for override in parsed:
        if isinstance(override, Override):
            values[".".join(override.path)] = override.value
    faults += plan.faults_of_known(values)
    if faults:
        raise PlanError.of(faults, f"a recipe of {folder.name}")
    enqueue(folder, values)
    sampled, position = plan.sampled_for(values), len(enqueued(folder))
    command = _next_command(folder, status)
    if json:
        terminal.print_json({"name": folder.name, "sampled": sampled, "position": position, "next": command})
        return
    out = terminal.out()
    place = "the next trial" if position == 1 else f"the next trial but {position - 1}"
    terminal.say(out, f"{place} of {folder.name} trains {hyperparameters(sampled)}")
    if command is not None:
        terminal.say(out, f"Train it with: {command}")


def _next_command(folder: RunFolder, status: RunStatus) -> str | None:
    if status.sweep.status == "finished":
        return typed_command("extend", folder.reference, "--trials", "1")
    return next_command(status)
