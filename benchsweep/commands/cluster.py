"""`benchsweep cluster`: the files that bring a cluster up and a plan's search onto it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import PlanArgument, SetOption

app = typer.Typer(no_args_is_help=True)

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.", show_default=False),
]


@app.callback()
def cluster() -> None:
    """Write the file that brings a cluster up and carries a plan's search out on it.

    What machines there are to be stands in the plan's [cluster] table (configs/cluster.toml is an example).
    Token authentication is on in all of them. The dashboard listens on loopback alone; KubeRay's operator
    must reach it, so there the network keeps everybody else from it. The file is printed, and what to type
    next goes to stderr.
    """


@app.command("ray-up")
def ray_up(config: PlanArgument, sets: SetOption = [], out: Out = None) -> None:  # noqa: B006  typer copies it
    """A YAML file for `ray up`: machines of your own by ssh ([cluster.ssh]), or Amazon's ([cluster.aws])."""
    from benchsweep.find import read_plan
    from search.deploy import ray_up as files
    from search.deploy.common import command, table_of

    plan = read_plan(config, sets)
    text = files.ray_up(plan, str(config), str(config.absolute()))
    name = str(out or f"{plan.name}.yaml")
    table = table_of(plan, "ray-up", str(config))
    _give(text, out, files.after(table, name, command(table, files.PLAN)))


@app.command()
def kuberay(config: PlanArgument, sets: SetOption = [], out: Out = None) -> None:  # noqa: B006
    """A manifest with a RayJob, for KubeRay 1.5.1 and later on Kubernetes ([cluster.kubernetes])."""
    from benchsweep.find import read_plan
    from search.deploy import kuberay as files
    from search.deploy.common import table_of

    plan = read_plan(config, sets)
    text = files.kuberay(plan, str(config))
    table = table_of(plan, "kuberay", str(config))
    _give(text, out, files.after(table, str(out or f"{plan.name}.yaml")))


@app.command()
def slurm(config: PlanArgument, sets: SetOption = [], out: Out = None) -> None:  # noqa: B006
    """A batch script for Slurm, on `ray symmetric-run` ([cluster.slurm])."""
    from benchsweep.find import read_plan
    from search.deploy import slurm as files

    plan = read_plan(config, sets)
    text = files.slurm(plan, str(config), str(config.absolute()))
    _give(text, out, files.after(str(out or f"{plan.name}.sh")))


def _give(text: str, out: Path | None, after: list[str]) -> None:
    from benchsweep import terminal
    from trainable.storage.durable import write_atomic

    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text)
    err = terminal.err()
    terminal.say(err, "next:" if out is not None else "next, once it is in a file of that name:")
    for line in after:
        err.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
