"""A search on a cluster that grows by itself: Ray's own autoscaler, with machines that it plays."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from lan import PROGRAMS
from network import Network

from search.plan.plan import Plan
from search.records.sweep import State, Sweep

ROOT = Path(__file__).parents[3]

# `ray stop`, with which Ray's class for this ends, ends every Ray on a machine; the host's own end does here.
GROWING = """
import json, sys, time
from pathlib import Path
import search.engine.ray_tune  # sets Ray's environment
import ray
from ray.cluster_utils import AutoscalingCluster
from search.engine.events import ClusterResized, Started
from search.records.folder import RunFolder
from search.plan.plan import Plan
from search.cluster.access import Site
from search.start import starting

class Growing(AutoscalingCluster):
    def _generate_config(self, head_resources, worker_node_types, autoscaler_v2=False, **given):
        head = {"resources": head_resources, "node_config": {}, "max_workers": 0}
        lists = [
            "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
            "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude",
            "rsync_filter",
        ]
        return {
            "cluster_name": "growing",
            "max_workers": 8,
            "provider": {
                "type": "fake_multinode",
                "use_node_id_as_ip": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "available_node_types": {**worker_node_types, "ray.head.default": head},
            "head_node_type": "ray.head.default",
            "upscaling_speed": 1.0,
            "idle_timeout_minutes": 0.05,
            "auth": {},
            "docker": {},
            "file_mounts": {},
            "file_mounts_sync_continuously": False,
            **{name: [] for name in lists},
        }

folder = Path(sys.argv[1])
machine = {"CPU": 1, "object_store_memory": 10**8}
kinds = {"machine": {"resources": machine, "node_config": {}, "min_workers": 0, "max_workers": 3}}
Growing({"CPU": 0}, kinds).start()
sizes = []
run, plan = RunFolder.named("growing", folder), Plan.read(folder / "plan.toml")
with starting(run, plan, folder, Site("auto")) as search:
    for event in search:
        if isinstance(event, (Started, ClusterResized)):
            sizes.append(event.workers)
ray.init(address="auto", logging_level="ERROR")
began = time.monotonic()
while (left := sum(node["Alive"] for node in ray.nodes()) - 1) and time.monotonic() - began < 60:
    time.sleep(0.5)
print("TOLD", json.dumps([sizes, left]), flush=True)
"""


@pytest.mark.slow
def test_a_cluster_without_a_machine_grows_for_a_search_and_shrinks_after_it(network: Network) -> None:
    (host,), shared = network("host")
    plan = Plan.parse(
        {
            "name": "growing",
            "trainable": "noop",
            "budget": {"trials": 24},
            "recipe": {"epochs": 5, "seconds": 0.5},
            "space": {"x": {"low": 0.0, "high": 1.0}},
            "sampler": {"name": "tpe"},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 0},
        },
        "test",
    )
    (shared / "plan.toml").write_text(plan.to_toml())
    (shared / "growing.py").write_text(GROWING)
    command = [sys.executable, str(shared / "growing.py"), str(shared)]
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}", "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    done = host.run(["unshare", "--pid", "--fork", "--mount-proc", *command], paths)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    sizes, left = json.loads(line.removeprefix("TOLD "))
    assert sizes[0] < 3 and sizes[-1] == 3
    assert left == 0
    sweep = Sweep.read(shared / "growing")
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 24
