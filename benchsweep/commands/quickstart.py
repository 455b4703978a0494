"""`benchsweep quickstart`: a first search, of a minute or two, that needs nothing but a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.errors import UsageError
from benchsweep.options import (
    RUNS,
    DataDirOption,
    JsonOption,
    LocalOption,
    NameOption,
    QuietOption,
    RunsOption,
)

_SAMPLE = "digits"


def quickstart(
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials to run.", show_default="30")] = None,
    name: NameOption = None,
    local: LocalOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Make a first search, and show what comes of one.

    Thirty trials of the 784-128-64-10 network on MNIST: a minute or two on two cores. Where MNIST
    is neither at hand nor to be downloaded, it says so and runs on the small digits that come with
    scikit-learn.

    Given again, it continues what was interrupted, or shows what was found. --json is as in `run`.
    """
    from benchsweep.find import read_plan
    from benchsweep.session.carry_out import RunOptions, carry_out
    from benchsweep.terminal import typed
    from search.cluster.access import Site
    from search.records.folder import RunFolder
    from trainable.contract import data_folder

    config = shipped("quickstart.toml")
    sets = [] if trials is None else [f"budget.trials={trials}"]
    missing = _why_missing(data_folder(data_dir), quiet=quiet or json)
    if missing is None:
        plan = read_plan(config, sets, name=name)
    else:
        plan = read_plan(config, sets, dataset=_SAMPLE, name=name or f"{config.stem}-{_SAMPLE}")
        _say_loudly(missing, plan.name)
    run = RunFolder.named(plan.name, runs)
    afresh = typed("quickstart", "--name", _free_name(plan.name, runs))
    carry_out(run, plan, RunOptions.of(data_dir, Site(local=local), quiet, json), afresh)


def shipped(name: str) -> Path:
    """A plan that comes with benchsweep. Raises Mistake when configs/ is not there."""
    # Beside this package in a checkout and in an installation alike. Not by importing `configs`:
    # a folder of that name in the user's own directory would be taken for it.
    from search.records.environment import CODE_FOLDER

    path = CODE_FOLDER / "configs" / name
    if not path.is_file():
        raise UsageError(
            f"the plans that come with benchsweep must lie in {path.parent}, but there is no {name}; "
            f"install benchsweep again, or write a plan and give it to `benchsweep run`"
        )
    return path


def _why_missing(folder: Path, quiet: bool) -> str | None:
    """Why MNIST cannot be had, in a sentence; None when it is there, if need be by now."""
    from benchsweep import terminal
    from trainable.mnist.data import DataError, Source

    source = Source.model_validate({"dataset": "mnist"})
    if not quiet and not source.at_hand(folder):
        terminal.say(terminal.err(), f"MNIST is not in {folder}; trying to download it")
    try:
        source.load(folder)
    except DataError as error:
        return str(error)
    return None


def _say_loudly(why: str, name: str) -> None:
    from rich.panel import Panel
    from rich.text import Text

    from benchsweep import terminal

    told = Text.assemble(
        (f"This is NOT MNIST. The search {name} runs on scikit-learn's digits instead: ", "bold"),
        "1,797 images of 8x8 pixels, whose figures compare with no published result.\n\n",
        why,
    )
    terminal.err().print(Panel(told, title="MNIST is missing", border_style="bold yellow"))


def _free_name(name: str, runs: Path) -> str:
    """The first of name-2, name-3, … that no run has."""
    from search.records.folder import RunFolder

    taken = {each.name for each in RunFolder.all(runs)}
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name}-{number}") not in taken)
