"""Who is trained where: which trial has which share of which machine, as machines come and go."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from search.cluster.capacity import (
    Cluster,
    Host,
    InsufficientResources,
    TrialResources,
    cluster_of,
    held,
    shares,
)
from search.plan.budget import Resources


@dataclass(frozen=True)
class Slot:
    """A share of one host, for one trial."""

    host: Host
    share: TrialResources


class Slots:
    """What the hosts hold, and what of it trials have. One thread may change the hosts while another one
    places trials."""

    def __init__(self, hosts: Sequence[Host], asked: Resources) -> None:
        """Raises InsufficientResources where no host holds a trial."""
        self._asked = asked
        self._taken: dict[int, Slot] = {}
        self._lock = threading.Lock()
        self._hosts: tuple[Host, ...] = tuple(hosts)
        self._room = self._measured()
        self.cluster: Cluster = cluster_of(hosts, asked)

    def change(self, hosts: Sequence[Host]) -> bool:
        """Take other hosts; whether that makes another cluster. Without room for a single trial it has 0
        workers, until there is some again."""
        with self._lock:
            if self._hosts != tuple(hosts):
                self._hosts = tuple(hosts)
                self._room = self._measured()
            before = self.cluster
            try:
                self.cluster = cluster_of(hosts, self._asked)
            except InsufficientResources:
                self.cluster = Cluster(0, before.device, before.threads, len(hosts))
            return self.cluster != before

    def take(self, number: int) -> Slot | None:
        """A place for trial `number`; None while all are taken. A GPU before none. Of the hosts the one
        with the most room left (spread), or with the least (pack)."""
        with self._lock:
            if len(self._taken) >= self.cluster.workers:
                return None
            used = Counter((place.host.id, place.share.device) for place in self._taken.values())
            for share in shares(self._asked):
                room = self._room[share.device]
                left = {host: room[host] - used[host.id, share.device] for host in room}
                free = [host for host in room if left[host] > 0]
                if free:
                    sign = 1 if self._asked.placement == "spread" else -1
                    host = max(free, key=lambda host: sign * left[host] / room[host])
                    self._taken[number] = Slot(host, share)
                    return self._taken[number]
            return None

    def _measured(self) -> dict[str, dict[Host, int]]:
        """Device -> host -> how many trials it holds on that."""
        found = {host: held(host, self._asked) for host in self._hosts}
        return {
            share.device: {host: each[share.device] for host, each in found.items()}
            for share in shares(self._asked)
        }

    @property
    def full(self) -> bool:
        """Whether no further trial could be placed."""
        with self._lock:
            return len(self._taken) >= self.cluster.workers

    def of(self, number: int) -> Slot:
        """Where trial `number` is. Raises KeyError for one that has no place."""
        return self._taken[number]

    def leave(self, number: int) -> None:
        """Free the place of a trial, if it has one."""
        with self._lock:
            self._taken.pop(number, None)
