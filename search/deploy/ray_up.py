"""A plan's cluster as the YAML file of `ray up`: machines reached by ssh, or Amazon's."""

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
    """The file's text. path: of the plan's file here, which `ray up` takes to every machine. Raises
    PlanError."""
    table = table_of(plan, "ray-up", origin)
    provider, auth, types = _aws(table) if table.aws is not None else _ssh(table)
    setup = "; ".join(["export RAY_AUTH_MODE=token", *table.setup])
    custom = f" --resources={shlex.quote(declared)}" if (declared := resources_of(table)) else ""
    sizes = f"--num-cpus={table.cpus} --num-gpus={table.gpus}{custom}"
    # Amazon's head may be a small machine: it carries the search, and trains nothing.
    head = sizes if table.aws is None else "--num-cpus=0 --num-gpus=0"
    mount = _mount(table)
    content: dict[str, Any] = {
        "cluster_name": plan.name.lower().replace(".", "-").replace("_", "-"),
        "max_workers": table.workers,
        "provider": provider,
        "auth": auth,
        **types,
        # A file, and not an environment variable: it is not in any process's command line.
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
    own = table.ssh
    provider = {"type": "local", "head_ip": own.head, "worker_ips": own.workers[: table.workers]}
    return provider, {"ssh_user": own.user, "ssh_private_key": own.key}, {"min_workers": table.least}


def _aws(table: ClusterTable) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    assert table.aws is not None
    own = table.aws
    sizes = {"CPU": table.cpus, **({"GPU": table.gpus} if table.gpus else {}), **table.resources}
    types = {
        "available_node_types": {
            "head": {
                "node_config": {"InstanceType": own.head_type},
                "resources": {"CPU": 0},
                "max_workers": 0,
            },
            "worker": {
                "node_config": {"InstanceType": own.worker_type},
                "resources": sizes,
                "min_workers": table.least,
                "max_workers": table.workers,
            },
        },
        "head_node_type": "head",
    }
    # Ray's own security group lets ssh in, and the machines reach each other; nothing else.
    return {"type": "aws", "region": own.region}, {"ssh_user": "ubuntu"}, types


def _mount(table: ClusterTable) -> list[str]:
    if table.aws is None:
        # What is not shared would be written to each machine's own disk, and lost.
        return [f"mountpoint -q {table.shared} || test -d {table.shared}"]
    return [
        "command -v mount.nfs4 || sudo apt-get install -y nfs-common",
        f"sudo mkdir -p {table.shared}",
        f"mountpoint -q {table.shared} || "
        f"sudo mount -t nfs4 -o nfsvers=4.1,hard {table.aws.nfs} {table.shared}",
        f"sudo chown ubuntu {table.shared}",
    ]


def after(table: ClusterTable, name: str, command: list[str]) -> list[str]:
    """What to type then. name: of the file."""
    first = "; ".join(["export RAY_AUTH_MODE=token", *table.setup])
    inside = shlex.quote(f"{first}; {line(command)}")
    return ["ray get-auth-token --generate", f"ray up {name}", f"ray exec {name} {inside}"]
