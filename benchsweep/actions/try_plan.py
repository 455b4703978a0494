"""`benchsweep try`: prints each step of a rehearsal as it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from rich.text import Text

from benchsweep import terminal
from benchsweep.errors import FAILURE
from benchsweep.find import read_plan
from benchsweep.terminal import typed_command
from reports.formatting.wording import plural
from search.plan.fault import Fault, unknown, validated_record
from search.plan.override import Override
from search.plan.plan import Plan, PlanError
from search.rehearsal.rehearse import EPOCHS, rehearse
from search.rehearsal.step import Step
from trainable.contract import data_folder
from trainable.record import to_record

_STYLES = {"passed": "green", "failed": "bold red", "not tried": "dim"}


def try_trainable(
    config: Path,
    changes: Sequence[str],
    sets: Sequence[str],
    data_dir: Path | None,
    dataset: str | None,
    json: bool,
) -> None:
    """Prints the steps and what became of them. Exits with 1 if one failed. Raises PlanError."""
    began = time.perf_counter()
    steps: list[Step] = []
    # What the trainable prints must not be part of the JSON.
    with redirect_stdout(sys.stderr) if json else nullcontext():
        plan = read_plan(config, sets, dataset)
        recipe = _recipe(plan, changes)
        planned = plan.resources.device
        device = "cpu" if planned == "auto" else planned
        for step in rehearse(plan, recipe, data_folder(data_dir), device, plan.resources.cpus):
            steps.append(step)
            if not json:
                _print(step)
    seconds = time.perf_counter() - began
    counts = {name: sum(step.outcome == name for step in steps) for name in _STYLES}
    if json:
        terminal.print_json(
            {
                "name": plan.name,
                "trainable": plan.trainable,
                "recipe": to_record(recipe),
                "steps": [vars(step) for step in steps],
                **{name.replace(" ", "_"): count for name, count in counts.items()},
                "seconds": seconds,
            }
        )
    else:
        _print_end(counts["failed"], seconds, config)
    if counts["failed"]:
        raise typer.Exit(FAILURE)


def _recipe(plan: Plan, changes: Sequence[str]) -> BaseModel:
    """The default recipe with these values, of two epochs if it has fewer and may have two."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for text in changes:
        parsed = Override.parse(text, "--recipe")
        if isinstance(parsed, Fault):
            faults.append(parsed)
        else:
            values[".".join(parsed.path)] = parsed.value
    model = plan.trainable_module.Recipe
    faults += unknown(values, model, (), "hyperparameter")
    complete = {**plan.recorded_recipe({}), **values}
    recipe, refused = validated_record(model, complete, (), "hyperparameter")
    if faults or recipe is None:
        raise PlanError.of(faults or refused, "--recipe")
    if "epochs" not in values and complete["epochs"] < EPOCHS:
        return validated_record(model, {**complete, "epochs": EPOCHS}, ())[0] or recipe
    return recipe


def _print(step: Step) -> None:
    out = terminal.out()
    terminal.say(
        out,
        Text.assemble(
            (f"{step.outcome:9}", _STYLES[step.outcome]),
            "  ",
            (f"{step.member:24}", "dim"),
            "  ",
            step.message,
        ),
    )
    if step.advice:
        terminal.say(out, Text(f"{'':11}→ {step.advice}", style="dim"))


def _print_end(failed: int, seconds: float, config: Path) -> None:
    out = terminal.out()
    if failed:
        terminal.say(out, Text(f"\n{plural(failed, 'fault')}, found in {seconds:.1f} s", style="bold red"))
        return
    terminal.say(out, Text(f"\nno fault found in {seconds:.1f} s", style="bold green"))
    terminal.say(out, f"Search with: {typed_command('run', str(config))}")
