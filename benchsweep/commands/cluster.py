"""`benchsweep cluster`: the file that starts a cluster and runs a plan's search on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import PlanArgument, SetOption

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write to this file instead of printing.", show_default=False),
]


@app.callback()
def cluster() -> None:
    """Write the file that starts a cluster for a plan.

    The plan's [cluster] table describes the machines; configs/cluster.toml is an example. Every file turns
    Ray's token authentication on. The dashboard listens on the loopback interface only, except on
    Kubernetes: KubeRay's operator has to reach it, so a network policy blocks everyone else.

    The file goes to stdout, the commands to type next to stderr.
    """


@app.command("ray-up")
def ray_up(config: PlanArgument, sets: SetOption = [], out: OutOption = None) -> None:  # noqa: B006  typer copies it
    """Write a YAML file for `ray up`: your own machines over ssh ([cluster.ssh]), or AWS ([cluster.aws])."""
    from benchsweep.actions.cluster import write_ray_up

    write_ray_up(config, sets, out)


@app.command()
def kuberay(config: PlanArgument, sets: SetOption = [], out: OutOption = None) -> None:  # noqa: B006
    """Write a RayJob manifest for KubeRay 1.5.1 or later on Kubernetes ([cluster.kubernetes])."""
    from benchsweep.actions.cluster import write_kuberay

    write_kuberay(config, sets, out)


@app.command()
def slurm(config: PlanArgument, sets: SetOption = [], out: OutOption = None) -> None:  # noqa: B006
    """Write a batch script for Slurm that uses `ray symmetric-run` ([cluster.slurm])."""
    from benchsweep.actions.cluster import write_slurm

    write_slurm(config, sets, out)
