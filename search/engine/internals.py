"""Settings of Ray for which it has no public interface."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ray._private import ray_constants
from ray._private.node import Node


@contextmanager
def local_addresses_only(alone: bool) -> Iterator[None]:
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
def without_monitor_and_dashboard(alone: bool) -> Iterator[None]:
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
def preloading(modules: Sequence[str]) -> Iterator[None]:
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
