"""What Ray has no public setting for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ray._private import ray_constants
from ray._private.node import Node
from ray._private.utils import estimate_available_memory, resolve_object_store_memory
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]


def object_store_size() -> int:
    """Bytes of the object store that a Ray of this machine's own would make."""
    return int(resolve_object_store_memory(estimate_available_memory()))


@contextmanager
def local_addresses_only(alone: bool) -> Iterator[None]:
    """Let a Ray of this machine's own listen on 127.0.0.1 only, as it does by default on macOS; elsewhere it
    would listen on all addresses. The switch is read from the environment by the processes that Ray starts,
    and was read by this one when ray was imported."""
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    variable, constant = os.environ.get(name), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[name] = str(int(not alone))
    ray_constants.ENABLE_RAY_CLUSTER = not alone
    try:
        yield
    finally:
        _restore(name, variable)
        ray_constants.ENABLE_RAY_CLUSTER = constant


@contextmanager
def own_token() -> Iterator[None]:
    """Let a Ray of this machine's own use a token that only its processes know, unless the user configured
    authentication. Ray would keep one in the home folder, which may be read-only, in a file that everybody
    may read."""
    name = "RAY_AUTH_TOKEN"
    chosen = os.environ.keys() & {name, "RAY_AUTH_TOKEN_PATH"}
    if chosen or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        yield
        return
    os.environ[name] = secrets.token_hex(32)
    AuthenticationTokenLoader.instance().reset_cache()
    try:
        yield
    finally:
        _restore(name, None)
        AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def without_monitor_and_dashboard(alone: bool) -> Iterator[None]:
    """Leave out of a Ray of this machine's own the autoscaler's monitor and the dashboard server, which
    nobody uses there, and which would delay its start by more than a second."""

    def start_no_server(self: Node, *_: Any, **__: Any) -> None:
        self._webui_url = None

    start_monitor, start_api_server = Node.start_monitor, Node.start_api_server
    if alone:
        setattr(Node, "start_monitor", lambda self: None)  # noqa: B010  mypy: a method is assigned to
        setattr(Node, "start_api_server", start_no_server)  # noqa: B010
    try:
        yield
    finally:
        setattr(Node, "start_monitor", start_monitor)  # noqa: B010
        setattr(Node, "start_api_server", start_api_server)  # noqa: B010


@contextmanager
def preloading(modules: Sequence[str]) -> Iterator[None]:
    """Let the workers that Ray starts by itself, one per CPU, import `modules` at once instead of when their
    first trial waits for it. A trial of several CPUs has several such workers and uses one of them, so it
    gains nothing."""
    name = "RAY_preload_python_modules"
    before = os.environ.get(name)
    if modules:
        os.environ[name] = ",".join(modules)
    try:
        yield
    finally:
        _restore(name, before)


def _restore(name: str, value: str | None) -> None:
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
