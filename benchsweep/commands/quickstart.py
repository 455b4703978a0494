"""`benchsweep quickstart`: a first search that needs no preparation."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import (
    RUNS,
    DataDirOption,
    JsonOption,
    LocalOption,
    NameOption,
    QuietOption,
    RunsOption,
)


def quickstart(
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Number of trials.", show_default="30")] = None,
    name: NameOption = None,
    local: LocalOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Run a first small search and show its results.

    It trains 30 trials of the 784-128-64-10 network on MNIST, which takes a few minutes on two cores. If
    MNIST is neither in the data folder nor available for download, it says so and uses the small digits
    that come with scikit-learn.

    A second call continues an interrupted search, or shows the results of a finished one. --json is as for
    `run`.
    """
    from benchsweep.actions.quickstart import start_quickstart

    start_quickstart(runs, data_dir, trials, name, local, quiet, json)
