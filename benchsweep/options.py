"""The options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUNS = Path("runs")
"""The folder of all runs unless --runs names another one."""

PlanArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="The plan: a TOML file such as configs/laptop.toml, or an Optuna objective: cnn.py:objective.",
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The name of a run below --runs, or the path of its folder.")
]
OptionalRunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="The name of a run below --runs, or the path of its folder. Default: the newest run.",
        show_default=False,
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The name of a run below --runs, or the path of a saved model: model.safetensors, "
        "mnist_model.pth, or a folder that contains one.",
    ),
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder that contains all runs.")]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the plan, for example space.dropout.high=0.4 or budget.wall_time=1h. An empty value "
        "deletes the key. May be repeated.",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="N", help="Name of the run, in place of the plan's name.", show_default=False
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="The folder that data sets are read from and downloaded to. Default: BENCHSWEEP_DATA if set, "
        "else ./data.",
        show_default=False,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="D",
        help="Use this data set with its defaults, in place of the plan's [data] table.",
        show_default=False,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="A",
        envvar="RAY_ADDRESS",
        help='The Ray cluster to run on, "auto" or host:port. Default: this machine alone.',
        show_default=False,
        show_envvar=False,
    ),
]
ShipCodeOption = Annotated[
    bool,
    typer.Option(
        "--ship-code",
        help="Send this benchsweep and the plan's trainable to the machines of the cluster, in place of "
        "what is installed there.",
    ),
]
LocalOption = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Train in this process, one trial at a time, without Ray: for debugging. Breakpoints work.",
    ),
]
TrialTimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--trial-timeout",
        metavar="TIME",
        help="Time without a finished epoch, such as 90s or 10m, after which a trial counts as hung: its "
        "worker is replaced once, then the trial fails. Same as resources.trial_timeout.",
        show_default=False,
    ),
]
WarmStartOption = Annotated[
    str | None,
    typer.Option(
        "--warm-start",
        metavar="RUN",
        help="Start the sampler of a new run with the trials of another run. They are not ranked with "
        "the new run's own trials.",
        show_default=False,
    ),
]
LiveReportOption = Annotated[
    bool,
    typer.Option("--live-report", help="Also write the report every minute while the search runs."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the final lines.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON, as described above.")]
