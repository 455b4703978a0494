"""`benchsweep quickstart`: runs the shipped plan, on MNIST or on scikit-learn's digits."""

from __future__ import annotations

from pathlib import Path

from rich.panel import Panel
from rich.text import Text

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.find import read_plan
from benchsweep.options import RUNS
from benchsweep.session.search import RunOptions, run_search
from search.cluster.access import Site
from search.records.environment import CODE_FOLDER
from search.records.folder import RunFolder
from trainable.contract import data_folder
from trainable.mnist.data import DataError, Source

_FALLBACK = "digits"
"""The data set that needs no download."""


def start_quickstart(
    runs: Path,
    data_dir: Path | None,
    trials: int | None,
    name: str | None,
    local: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Searches, or continues an earlier quickstart of the same name."""
    config = shipped_plan("quickstart.toml")
    sets = [] if trials is None else [f"budget.trials={trials}"]
    reason = _why_no_mnist(data_folder(data_dir), quiet=quiet or json)
    if reason is None:
        plan = read_plan(config, sets, name=name)
    else:
        plan = read_plan(config, sets, dataset=_FALLBACK, name=name or f"{config.stem}-{_FALLBACK}")
        _warn(reason, plan.name)
    run = RunFolder.named(plan.name, runs)
    options = RunOptions.of(data_dir, Site(local=local), quiet, json)
    run_search(run, plan, options, new_run_command=new_run_command(plan.name, runs))


def new_run_command(name: str, runs: Path) -> str:
    """The command that starts another search under a free name in the same folder."""
    elsewhere = [] if runs.absolute() == RUNS.absolute() else ["--runs", str(runs)]
    return terminal.typed_command("quickstart", "--name", _free_name(name, runs), *elsewhere)


def shipped_plan(name: str) -> Path:
    """A plan that comes with benchsweep. Raises UsageError if configs/ is missing."""
    # Importing `configs` instead could find a folder of that name in the user's working directory.
    path = CODE_FOLDER / "configs" / name
    if not path.is_file():
        raise UsageError(
            f"the plans that come with benchsweep must be in {path.parent}, but there is no {name}",
            "install benchsweep again, or write a plan and pass it to `benchsweep run`",
        )
    return path


def _why_no_mnist(folder: Path, quiet: bool) -> str | None:
    """Why MNIST cannot be used; None if it can, possibly after downloading it."""
    source = Source.model_validate({"dataset": "mnist"})
    if not quiet and not source.at_hand(folder):
        terminal.say(terminal.err(), f"MNIST is not in {folder}; trying to download it")
    try:
        source.load(folder)
    except DataError as error:
        return str(error)
    return None


def _warn(reason: str, name: str) -> None:
    warning = Text.assemble(
        (f"This is NOT MNIST. The search {name} uses scikit-learn's digits instead: ", "bold"),
        "1,797 images of 8x8 pixels. Its figures cannot be compared with published results.\n\n",
        reason,
    )
    terminal.err().print(Panel(warning, title="MNIST is missing", border_style="bold yellow"))


def _free_name(name: str, runs: Path) -> str:
    """The first of name-2, name-3, … that no run has."""
    taken = {run.name for run in RunFolder.all(runs)}
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name}-{number}") not in taken)
