"""A plan's cluster as a Slurm batch script: Ray on all nodes of one job for the duration of the search."""

from __future__ import annotations

import shlex
from importlib.resources import files

from search.deploy.common import command, header, line, resources_of, table_of
from search.plan.plan import Plan


def slurm(plan: Plan, origin: str, path: str) -> str:
    """The text of the script. Raises PlanError.

    path: absolute path of the plan's file, which every node can read.
    """
    import jinja2  # takes 0.1 s, which other commands need not spend

    table = table_of(plan, "slurm", origin)
    declared = resources_of(table)
    template = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    ).from_string(files("search.deploy").joinpath("slurm.sh.jinja").read_text())
    return template.render(
        table=table,
        name=plan.name,
        header=header("slurm", plan),
        shared=line([table.shared.rstrip("/")]),
        resources=f" --resources={shlex.quote(declared)}" if declared else "",
        command=line(command(table, path)),
    )


def after(name: str) -> list[str]:
    """The shell commands that use the file `name`."""
    return [f"sbatch {name}", "squeue --me"]
