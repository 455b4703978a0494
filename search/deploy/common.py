"""What all three kinds of cluster files share: the command to run, the header, and the checks of the plan."""

from __future__ import annotations

import json
import shlex
import textwrap

from search.cluster.capacity import Host, InsufficientResources, cluster_of
from search.plan.cluster_table import ClusterKind, ClusterTable
from search.plan.fault import Fault, shown
from search.plan.plan import Plan, PlanError

HEADER = (
    "Made by `benchsweep cluster {kind}` from the plan {name}. Token authentication is on: without the "
    "token, nobody can use Ray or its dashboard, {dashboard}. The token is sent unencrypted, so keep the "
    "cluster's ports inside a private network."
)
_LOOPBACK = "which listens on the loopback interface only"
_GUARDED = "which only the cluster's own Pods and KubeRay's operator can reach"
PORT = 6379


def table_of(plan: Plan, kind: ClusterKind, origin: str) -> ClusterTable:
    """The plan's [cluster] table. Raises PlanError if `kind` needs something that it lacks, or if no machine
    has the resources of a trial."""
    table, faults = plan.cluster, []
    if kind == "kuberay" and table.kubernetes is None:
        faults.append(
            Fault(
                ("cluster", "kubernetes"), 'must be given for kuberay, as in { image = "registry/name:tag" }'
            )
        )
    if kind == "ray-up" and (table.ssh is None) == (table.aws is None):
        faults.append(
            Fault(
                ("cluster",),
                "must have either ssh or aws for ray-up, but has "
                + ("neither" if table.ssh is None else "both"),
            )
        )
    if table.ssh is not None and kind == "ray-up" and len(table.ssh.workers) < table.workers:
        rule = (
            f"must be at most the {len(table.ssh.workers)} machines in ssh.workers, but got {table.workers}"
        )
        faults.append(Fault(("cluster", "workers"), rule))
    if kind == "kuberay" and table.shared.startswith("~"):
        rule = (
            f"must begin with / for kuberay, whose Pods share no home folder, but got {shown(table.shared)}"
        )
        faults.append(Fault(("cluster", "shared"), rule))
    machine = Host("", "", {"CPU": float(table.cpus), "GPU": float(table.gpus), **table.resources})
    try:
        cluster_of([machine], plan.resources)
    except InsufficientResources as error:
        faults.append(Fault(("cluster",), f"a machine must hold a trial: {error}"))
    if faults:
        raise PlanError.of(faults, origin)
    return table


def resources_of(table: ClusterTable) -> str:
    """The custom resources of a machine for `ray start --resources`; "" if there are none."""
    return json.dumps(table.resources) if table.resources else ""


def command(table: ClusterTable, plan: str) -> list[str]:
    """The command to run on the head once the cluster is up. plan: path of the plan's file there."""
    shared = table.shared.rstrip("/")
    return [
        "benchsweep", "run", plan, "--address", "auto",
        "--runs", f"{shared}/runs", "--data-dir", f"{shared}/data",
    ]  # fmt: skip


def line(words: list[str]) -> str:
    """The words quoted for a shell, which still expands ~/ at the start of a word."""
    return " ".join(word if word.startswith("~/") else shlex.quote(word) for word in words)


def header(kind: ClusterKind, plan: Plan) -> str:
    """The comment at the top of a file."""
    dashboard = _GUARDED if kind == "kuberay" else _LOOPBACK
    text = HEADER.format(kind=kind, name=plan.name, dashboard=dashboard)
    lines = textwrap.wrap(
        text, 101, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"
