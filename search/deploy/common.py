"""What the files of all three kinds of cluster have in common: what is run, and what is missing in a plan."""

from __future__ import annotations

import json
import shlex

from search.cluster.capacity import Host, InsufficientResources, cluster_of
from search.plan.cluster_table import ClusterKind, ClusterTable
from search.plan.fault import Fault, shown
from search.plan.plan import Plan, PlanError

HEADER = (
    "Made by `benchsweep cluster {kind}` from the plan {name}. Token authentication is on: whoever has not "
    "the token reaches neither Ray nor its dashboard, {dashboard}. The token is not encrypted on its way, so "
    "keep the cluster's ports inside its own network."
)
_LOOPBACK = "which listens on loopback alone"
_GUARDED = (
    "to which the network lets the cluster's own Pods and KubeRay's operator, which asks it, and nobody else"
)
PORT = 6379


def table_of(plan: Plan, kind: ClusterKind, origin: str) -> ClusterTable:
    """The plan's [cluster] table. Raises PlanError where something lacks that `kind` needs, or where no
    machine of it could hold a trial."""
    table, faults = plan.cluster, []
    if kind == "kuberay" and table.kubernetes is None:
        faults.append(
            Fault(
                ("cluster", "kubernetes"), 'must be given for kuberay, as in { image = "registry/name:tag" }'
            )
        )
    if kind == "ray-up" and (table.ssh is None) == (table.aws is None):
        faults.append(
            Fault(("cluster",), "must have either ssh or aws for ray-up, to say which machines, but has "
                  + ("neither" if table.ssh is None else "both"))
        )  # fmt: skip
    if table.ssh is not None and kind == "ray-up" and len(table.ssh.workers) < table.workers:
        rule = (
            f"must be at most the {len(table.ssh.workers)} machines in ssh.workers, but got {table.workers}"
        )
        faults.append(Fault(("cluster", "workers"), rule))
    asked = plan.resources
    if kind == "kuberay" and table.shared.startswith("~"):
        rule = (
            f"must begin with / for kuberay, whose Pods have no home in common, but got {shown(table.shared)}"
        )
        faults.append(Fault(("cluster", "shared"), rule))
    machine = Host("", "", {"CPU": float(table.cpus), "GPU": float(table.gpus), **table.resources})
    try:
        cluster_of([machine], asked)
    except InsufficientResources as error:
        faults.append(Fault(("cluster",), f"a machine must hold a trial: {error}"))
    if faults:
        raise PlanError.of(faults, origin)
    return table


def resources_of(table: ClusterTable) -> str:
    """What a machine has besides CPUs and GPUs, as `ray start --resources` takes it; "" for nothing."""
    return json.dumps(table.resources) if table.resources else ""


def command(table: ClusterTable, plan: str) -> list[str]:
    """What is run on the head, once the cluster is up. plan: the path of the plan's file there."""
    shared = table.shared.rstrip("/")
    return [
        "benchsweep", "run", plan, "--address", "auto",
        "--runs", f"{shared}/runs", "--data-dir", f"{shared}/data",
    ]  # fmt: skip


def line(words: list[str]) -> str:
    """Words as a shell reads them; a home folder's ~ stays open to it."""
    return " ".join(word if word.startswith("~/") else shlex.quote(word) for word in words)


def header(kind: ClusterKind, plan: Plan) -> str:
    """The comment that a file begins with."""
    dashboard = _GUARDED if kind == "kuberay" else _LOOPBACK
    lines, current = [], "#"
    for word in HEADER.format(kind=kind, name=plan.name, dashboard=dashboard).split():
        if len(current) + len(word) > 100:
            lines.append(current)
            current = "#"
        current += f" {word}"
    return "\n".join([*lines, current]) + "\n"
