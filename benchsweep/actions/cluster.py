"""`benchsweep cluster`: prints or writes the file that starts a cluster, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.find import read_plan
from search.deploy import kuberay, ray_up, slurm
from search.deploy.common import command, table_of
from trainable.storage.durable import write_atomic


def write_ray_up(config: Path, sets: Sequence[str], out: Path | None) -> None:
    """The YAML file for `ray up`. out: the file to write; None prints it."""
    plan = read_plan(config, sets)
    text = ray_up.ray_up(plan, str(config), str(config.absolute()))
    table = table_of(plan, "ray-up", str(config))
    next_steps = ray_up.after(table, str(out or f"{plan.name}.yaml"), command(table, ray_up.PLAN))
    _deliver(text, out, next_steps)


def write_kuberay(config: Path, sets: Sequence[str], out: Path | None) -> None:
    """The RayJob manifest for Kubernetes. out: the file to write; None prints it."""
    plan = read_plan(config, sets)
    text = kuberay.kuberay(plan, str(config))
    table = table_of(plan, "kuberay", str(config))
    _deliver(text, out, kuberay.after(table, str(out or f"{plan.name}.yaml")))


def write_slurm(config: Path, sets: Sequence[str], out: Path | None) -> None:
    """The batch script for Slurm. out: the file to write; None prints it."""
    plan = read_plan(config, sets)
    text = slurm.slurm(plan, str(config), str(config.absolute()))
    _deliver(text, out, slurm.after(str(out or f"{plan.name}.sh")))


def _deliver(text: str, out: Path | None, next_steps: Sequence[str]) -> None:
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text)
    err = terminal.err()
    terminal.say(err, "next:" if out is not None else "next, after saving it under this name:")
    for line in next_steps:
        err.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
