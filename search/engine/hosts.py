"""The machines of a Ray cluster: each is asked what it has before a trial goes there."""

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

_ANSWER = 120.0
"""Seconds that a machine may take to tell what it has: it may have to fetch code that was sent along."""
_AGAIN = 30.0
"""Seconds after which a machine that was refused is asked again: it may have been mended, and on a network
file system it may see by then what was written here."""


class Hosts:
    """Those that there are, those that may train, and why others may not.

    trainable, root, seen: as in `installation.installed`.
    """

    def __init__(self, trainable: str, root: str, seen: str | None) -> None:
        self._asked = trainable, root, seen
        self._seen = seen
        self._here = installed(*self._asked)
        self._pending: dict[str, tuple[ObjectRef[Any], float]] = {}
        self._judged: dict[str, float] = {}
        self.accepted: tuple[Host, ...] = ()
        self.refused: dict[str, str] = {}
        """Ray's id of a node -> why no trial may go there."""
        self.closed: frozenset[str] = frozenset()
        """Ray's ids of the nodes where no trial may go, or not yet."""

    def look(self) -> list[str]:
        """Take in the cluster as it is now, without waiting; a sentence for each machine that is refused, and
        for one that was and may train now."""
        alive = {host.id: host for host in hosts_alive()}
        now = time.monotonic()
        for each in alive.keys() - self._pending.keys():
            if each not in self._judged or (each in self.refused and now - self._judged[each] > _AGAIN):
                self._pending[each] = self._ask(each), now
        self.closed = frozenset([*self.refused, *self._unanswered])  # anew, for another thread reads it
        told = []
        for each, (answer, since) in list(self._pending.items()):
            if each not in alive:
                del self._pending[each]
            elif ray.wait([answer], timeout=0)[0] or now - since > _ANSWER:
                del self._pending[each]
                self._judged[each] = now
                before, why = self.refused.pop(each, None), self._judge(alive[each].name, answer)
                if why is not None:
                    self.refused[each] = why
                if why != before:
                    told.append(why or f"{alive[each].name} may train now")
        self.closed = frozenset([*self.refused, *self._unanswered])
        fit = self._judged.keys() - self.refused.keys()
        self.accepted = tuple(host for each, host in sorted(alive.items()) if each in fit)
        return told

    @property
    def waiting(self) -> bool:
        """Whether a machine has yet to answer for the first time."""
        return bool(self._unanswered)

    @property
    def _unanswered(self) -> set[str]:
        return self._pending.keys() - self._judged.keys()

    def _ask(self, node: str) -> ObjectRef[Any]:
        cloudpickle.register_pickle_by_value(installation)
        try:
            where = NodeAffinitySchedulingStrategy(node, soft=False)
            asked = ray.remote(installed).options(num_cpus=0, scheduling_strategy=where, max_retries=0)
            return asked.remote(*self._asked)
        finally:
            cloudpickle.unregister_pickle_by_value(installation)

    def _judge(self, name: str, answer: ObjectRef[Any]) -> str | None:
        try:
            told: Mapping[str, Any] = ray.get(answer, timeout=0.1)
        except Exception as error:  # Ray has many for a worker that cannot start
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:300]
            return f"{name} does not tell what it has installed: {reason}"
        return refusal(name, self._here, told, self._seen)


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
