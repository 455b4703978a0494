"""A plan's cluster as the YAML file of `ray up`: your own machines by ssh, or Amazon EC2 instances."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from search.deploy.common import PORT, header, line, resources_of, table_of
from search.plan.cluster_table import ClusterTable
from search.plan.plan import Plan

TOKEN = "~/.ray/auth_token"
PLAN = "~/plan.toml"


def ray_up(plan: Plan, origin: str, path: str) -> str:
    """The text of the file. Raises PlanError.

    path: of the plan's file on this machine, which `ray up` copies to every machine.
    """
    table = table_of(plan, "ray-up", origin)
    provider, auth, types = _aws(table) if table.aws is not None else _ssh(table)
    setup = "; ".join(["export RAY_AUTH_MODE=token", *table.setup])
    custom = f" --resources={shlex.quote(declared)}" if (declared := resources_of(table)) else ""
    sizes = f"--num-cpus={table.cpus} --num-gpus={table.gpus}{custom}"
    # The head of an EC2 cluster may be small: it runs the driver and no trials.
    head = sizes if table.aws is None else "--num-cpus=0 --num-gpus=0"
    mount = _mount(table)
    content: dict[str, Any] = {
        "cluster_name": plan.name.lower().replace(".", "-").replace("_", "-"),
        "max_workers": table.workers,
        "provider": provider,
        "auth": auth,
        **types,
        # A file, since a variable set in a command line would be visible in the list of processes.
        "file_mounts": {TOKEN: TOKEN, PLAN: path},
        "setup_commands": [f"chmod 600 {TOKEN}", *mount, f"mkdir -p {table.shared}/runs {table.shared}/data"],
        "head_start_ray_commands": [
            f"{setup}; ray stop",
            f"{setup}; ray start --head --port={PORT} {head} --dashboard-host=127.0.0.1 "
            f"--disable-usage-stats --autoscaling-config=~/ray_bootstrap_config.yaml",
        ],
        "worker_start_ray_commands": [
            f"{setup}; ray stop",
            f"{setup}; ray start --address=$RAY_HEAD_IP:{PORT} {sizes} --disable-usage-stats",
        ],
    }
    return header("ray-up", plan) + yaml.safe_dump(content, sort_keys=False, width=120)


def _ssh(table: ClusterTable) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    assert table.ssh is not None
    ssh = table.ssh
    provider = {"type": "local", "head_ip": ssh.head, "worker_ips": ssh.workers[: table.workers]}
    return (
        provider,
        {"ssh_user": ssh.user, "ssh_private_key": ssh.key},
        {"min_workers": table.minimum_workers},
    )


def _aws(table: ClusterTable) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    assert table.aws is not None
    aws = table.aws
    sizes = {"CPU": table.cpus, **({"GPU": table.gpus} if table.gpus else {}), **table.resources}
    types = {
        "available_node_types": {
            "head": {
                "node_config": {"InstanceType": aws.head_type},
                "resources": {"CPU": 0},
                "max_workers": 0,
            },
            "worker": {
                "node_config": {"InstanceType": aws.worker_type},
                "resources": sizes,
                "min_workers": table.minimum_workers,
                "max_workers": table.workers,
            },
        },
        "head_node_type": "head",
    }
    # Ray's default security group allows ssh, and connections among the machines.
    return {"type": "aws", "region": aws.region}, {"ssh_user": "ubuntu"}, types


def _mount(table: ClusterTable) -> list[str]:
    if table.aws is None:
        # Without a shared folder, each machine would write to its own disk.
        return [f"mountpoint -q {table.shared} || test -d {table.shared}"]
    return [
        "command -v mount.nfs4 || sudo apt-get install -y nfs-common",
        f"sudo mkdir -p {table.shared}",
        f"mountpoint -q {table.shared} || "
        f"sudo mount -t nfs4 -o nfsvers=4.1,hard {table.aws.nfs} {table.shared}",
        f"sudo chown ubuntu {table.shared}",
    ]


def after(table: ClusterTable, name: str, command: list[str]) -> list[str]:
    """The shell commands that use the file `name`."""
    setup = "; ".join(["export RAY_AUTH_MODE=token", *table.setup])
    inside = shlex.quote(f"{setup}; {line(command)}")
    return ["ray get-auth-token --generate", f"ray up {name}", f"ray exec {name} {inside}"]
