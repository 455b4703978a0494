"""Ray, up for one search: a cluster that is there, or this machine's own."""

from __future__ import annotations

import logging
import math
import os
import platform
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray._private.node import Node
from ray._private.utils import get_num_cpus

from search.budget import Resources
from search.cluster import Cluster
from search.descendants import Descendants


class EngineLost(RuntimeError):
    """Ray's own processes died, or do not answer; says which."""


class NoRoom(RuntimeError):
    """No machine has what one trial asks for; says what it asks and what there is."""


class Engine:
    """Ray, up. cluster: what it offers a search."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._ours = Descendants(os.getpid())

    def check(self) -> None:
        """Raise EngineLost when a process has died without which Ray, if it is of this machine alone,
        waits a minute and then ends ours without a word. To be called about once a second."""
        self._ours.look()
        node = ray._private.worker._global_node
        for kind, process in node.dead_processes():
            if kind in ("gcs_server", "raylet"):
                raise EngineLost(
                    f"Ray needs its process {kind}, but that ended (exit status {process.returncode}); its "
                    f"logs lie in {node.get_logs_dir_path()}"
                )

    def kill(self) -> None:
        """End what is left of it, where its own shutdown would wait for the dead, and end this process
        when it gives up."""
        self._ours.kill()


@contextmanager
def connected(
    resources: Resources, address: str | None = None, preload: Sequence[str] = ()
) -> Iterator[Engine]:
    """Ray, up while inside: the cluster at `address` ("auto" or host:port), or for None this machine's
    own, reachable from nowhere else. resources: of one trial. preload: modules that this machine's
    workers import while Ray still starts. Raises NoRoom when no trial fits."""
    if address is not None and ":" in address:
        _reachable(address)
    alone = address is None
    with _listening(alone), _bare(alone), _preloading(preload if alone and resources.cpus <= 1 else ()):
        ray.init(
            address="local" if address is None else address,
            **({"include_dashboard": False, "num_cpus": _useful(resources)} if alone else {}),
            log_to_driver=True,
            logging_level=logging.ERROR,
        )
    try:
        engine = Engine(_room(resources))
        yield engine
    except EngineLost:
        engine.kill()
        raise
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


def _reachable(address: str) -> None:
    """Raise ConnectionError when nothing answers at host:port: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"a Ray cluster must answer at {address} (--address), but nothing does: {error}; start one there "
            f"with `ray start --head`, or leave --address out to use this machine alone"
        ) from error


@contextmanager
def _listening(alone: bool) -> Iterator[None]:
    """Let a Ray of our own listen on 127.0.0.1 and nowhere else, as it does on a Mac by itself;
    elsewhere it would take the machine's address and listen on all. The switch is read from the
    environment by the processes it starts, and was read in this one when ray was imported."""
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before = os.environ.get(name), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name] = str(int(not alone))
    ray_constants.ENABLE_RAY_CLUSTER = not alone
    try:
        yield
    finally:
        os.environ.pop(name)
        if before[0] is not None:
            os.environ[name] = before[0]
        ray_constants.ENABLE_RAY_CLUSTER = before[1]


@contextmanager
def _bare(alone: bool) -> Iterator[None]:
    """Leave out of a Ray of our own the autoscaler's monitor and the dashboard's server, which serve nobody
    there, and for which its start would wait a second and more: Ray has no setting against them."""

    def no_server(self: Node, *_: Any, **__: Any) -> None:
        self._webui_url = None

    before = Node.start_monitor, Node.start_api_server
    if alone:
        setattr(Node, "start_monitor", lambda self: None)  # noqa: B010  mypy: a method is assigned to
        setattr(Node, "start_api_server", no_server)  # noqa: B010
    try:
        yield
    finally:
        setattr(Node, "start_monitor", before[0])  # noqa: B010
        setattr(Node, "start_api_server", before[1])  # noqa: B010


@contextmanager
def _preloading(modules: Sequence[str]) -> Iterator[None]:
    """Let the workers that Ray starts on its own, one for each CPU, import `modules` at once, and not
    when their first trial waits for it. A trial of several CPUs has several such workers, of which it
    uses one, so there nothing is gained."""
    name = "RAY_preload_python_modules"
    before = os.environ.get(name)
    if modules:
        os.environ[name] = ",".join(modules)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def _useful(asked: Resources) -> int | None:
    """So many of this machine's CPUs as the trials at once may use; None for all, or too few."""
    if asked.concurrency is None:
        return None
    wanted, there = math.ceil(asked.concurrency * asked.cpus), get_num_cpus()
    return wanted if wanted < there else None


def _room(asked: Resources) -> Cluster:
    """How many trials the cluster holds at once, and on what."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def fits(node: Mapping[str, float]) -> int:
        cpus, gpus = node.get("CPU", 0.0), node.get("GPU", 0.0)
        by_cpus = int(cpus / asked.cpus)
        if not asked.gpus:
            return by_cpus
        # A trial's share lies on one GPU: two GPUs hold four trials of 0.4, not five.
        by_gpus = int(1 / asked.gpus + 1e-9) * int(gpus) if asked.gpus < 1 else int(gpus / asked.gpus)
        return min(by_cpus, by_gpus)

    workers = sum(fits(node) for node in nodes)
    if workers == 0:
        largest = max(nodes, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)))
        raise NoRoom(
            f"a trial must fit on one machine, but it asks for cpus = {asked.cpus:g} and gpus = "
            f"{asked.gpus:g} ([resources]), and the largest machine has {largest.get('CPU', 0):g} CPUs and "
            f"{largest.get('GPU', 0):g} GPUs; ask for less, or add a machine"
        )
    device = asked.device if asked.device != "auto" else ("cuda" if asked.gpus else "cpu")
    if device == "cuda" and not any(node.get("GPU") for node in nodes):
        raise NoRoom('resources.device is "cuda", but no machine has a GPU; use "auto" or "cpu"')
    if device == "mps" and platform.system() != "Darwin":
        raise NoRoom(
            f'resources.device is "mps", which Macs have, but this is {platform.system()}; use "auto"'
        )
    return Cluster(min(workers, asked.concurrency or workers), device, max(1, int(asked.cpus)), len(nodes))
