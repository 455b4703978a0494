"""The options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PlanArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The plan: a TOML file such as configs/laptop.toml.")
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's name below --runs, or the path of its folder.")
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder that holds all runs.")]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the plan, as in space.dropout.high=0.4 or budget.wall_time=1h; "
        "nothing after = deletes the key. May be given more than once.",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="N", help="Another name for the run than the plan's.", show_default=False),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where data sets lie, or are downloaded to: else BENCHSWEEP_DATA, else ./data.",
        show_default=False,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="D",
        help="Use this data set, with its own defaults, in place of the plan's data table.",
        show_default=False,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="A",
        envvar="RAY_ADDRESS",
        help='A Ray cluster to run on, "auto" or host:port; this machine alone when left out.',
        show_default=False,
        show_envvar=False,
    ),
]
ShipCodeOption = Annotated[
    bool,
    typer.Option(
        "--ship-code",
        help="Send this benchsweep and the plan's trainable to the cluster's machines, in place of what is "
        "installed there.",
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
        help="A trial that ends no epoch for so long, as 90s or 10m, hangs: its worker is ended and "
        "replaced once, then the trial fails. The same as resources.trial_timeout.",
        show_default=False,
    ),
]
WarmStartOption = Annotated[
    str | None,
    typer.Option(
        "--warm-start",
        metavar="RUN",
        help="Let the sampler of a new run begin with what another run's trials told. They are not ranked "
        "among its own.",
        show_default=False,
    ),
]
LiveReportOption = Annotated[
    bool,
    typer.Option("--live-report", help="Write the report every minute while the search runs, too."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the final lines.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as described above, and nothing else.")]

RUNS = Path("runs")
"""Where runs lie unless --runs names another folder."""
