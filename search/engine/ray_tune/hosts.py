"""The machines of a Ray cluster: each is asked what it has installed before a trial goes there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray import ObjectRef, cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.cluster import installation
from search.cluster.capacity import Host
from search.cluster.installation import installed, refusal

_ANSWER_TIMEOUT = 120.0
"""Seconds that a machine may take to answer: it may have to fetch code that was shipped."""
_RETRY_INTERVAL = 30.0
"""Seconds after which a machine that was refused is asked again: it may have been repaired, or see by then
what was written to a network file system here."""


class Hosts:
    """The machines that may train, and why others may not."""

    def __init__(self, trainable: str, root: str, shared_file: str | None) -> None:
        """trainable, root, shared_file: as in `installation.installed`."""
        self._arguments = trainable, root, shared_file
        self._shared_file = shared_file
        self._here = installed(*self._arguments)
        self._pending: dict[str, tuple[ObjectRef[Any], float]] = {}
        """Node -> its answer to come, and since when it is awaited."""
        self._judged_at: dict[str, float] = {}
        """Node -> when it last answered, or failed to."""
        self.accepted: tuple[Host, ...] = ()
        self.refused: dict[str, str] = {}
        """Node -> why no trial may go there."""
        self.closed: frozenset[str] = frozenset()
        """Nodes where no trial may go, or not yet. Replaced, never changed: another thread reads it."""

    def poll(self) -> list[str]:
        """Take in the cluster as it is now, without waiting. Returns a message for each machine that is newly
        refused, and for each that was refused and may train now."""
        alive = {host.id: host for host in hosts_alive()}
        now = time.monotonic()
        for node in alive.keys() - self._pending.keys():
            retry = node in self.refused and now - self._judged_at[node] > _RETRY_INTERVAL
            if node not in self._judged_at or retry:
                self._pending[node] = self._ask(node), now
        self._update_closed()
        messages = []
        for node, (answer, since) in list(self._pending.items()):
            if node not in alive:
                del self._pending[node]
            elif ray.wait([answer], timeout=0)[0] or now - since > _ANSWER_TIMEOUT:
                del self._pending[node]
                self._judged_at[node] = now
                name = alive[node].name
                before, reason = self.refused.pop(node, None), self._why_refused(name, answer)
                if reason is not None:
                    self.refused[node] = reason
                if reason != before:
                    messages.append(reason or f"{name} may train now")
        self._update_closed()
        usable = self._judged_at.keys() - self.refused.keys()
        self.accepted = tuple(host for node, host in sorted(alive.items()) if node in usable)
        return messages

    @property
    def waiting(self) -> bool:
        """Whether a machine has yet to answer for the first time."""
        return bool(self._unanswered)

    @property
    def _unanswered(self) -> set[str]:
        return self._pending.keys() - self._judged_at.keys()

    def _update_closed(self) -> None:
        self.closed = frozenset([*self.refused, *self._unanswered])

    def _ask(self, node: str) -> ObjectRef[Any]:
        cloudpickle.register_pickle_by_value(installation)
        try:
            strategy = NodeAffinitySchedulingStrategy(node, soft=False)
            task = ray.remote(installed).options(num_cpus=0, scheduling_strategy=strategy, max_retries=0)
            return task.remote(*self._arguments)
        finally:
            cloudpickle.unregister_pickle_by_value(installation)

    def _why_refused(self, name: str, answer: ObjectRef[Any]) -> str | None:
        try:
            remote: Mapping[str, Any] = ray.get(answer, timeout=0.1)
        except Exception as error:  # Ray has many for a worker that cannot start
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:300]
            return f"{name} does not say what it has installed: {reason}"
        return refusal(name, self._here, remote, self._shared_file)


def hosts_alive() -> Sequence[Host]:
    """The cluster's machines, as Ray knows them now."""
    return [
        Host(
            id=node["NodeID"],
            name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            resources={
                name: amount
                for name, amount in node["Resources"].items()
                if not name.startswith(("node:", "object_store"))
            },
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
