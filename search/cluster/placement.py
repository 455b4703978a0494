"""Which trial is trained where, as machines join and leave."""

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
    trial_resources,
    trials_by_device,
)
from search.plan.budget import Resources


@dataclass(frozen=True)
class Slot:
    """Room for one trial on one machine."""

    host: Host
    """The machine."""
    resources: TrialResources
    """What the trial gets of it."""


class Slots:
    """The room on all machines, and which trials have it. One thread may change the machines while another
    places trials."""

    def __init__(self, hosts: Sequence[Host], resources: Resources) -> None:
        """resources: of a trial. Raises InsufficientResources if no machine holds a trial."""
        self._resources = resources
        self._taken: dict[int, Slot] = {}
        self._lock = threading.Lock()
        self._hosts: tuple[Host, ...] = tuple(hosts)
        self._capacity = self._measure_capacity()
        self.cluster: Cluster = cluster_of(hosts, resources)

    def change(self, hosts: Sequence[Host]) -> bool:
        """Replace the machines. Returns whether `cluster` changed. It has 0 workers while no machine holds a
        trial."""
        with self._lock:
            if self._hosts != tuple(hosts):
                self._hosts = tuple(hosts)
                self._capacity = self._measure_capacity()
            before = self.cluster
            try:
                self.cluster = cluster_of(hosts, self._resources)
            except InsufficientResources:
                self.cluster = Cluster(0, before.device, before.threads, len(hosts))
            return self.cluster != before

    def take(self, number: int) -> Slot | None:
        """A slot for trial `number`, or None if all are taken. One with a GPU comes first. Of the machines
        the one with the most room left (spread), or the least (pack)."""
        with self._lock:
            if len(self._taken) >= self.cluster.workers:
                return None
            used = Counter((slot.host.id, slot.resources.device) for slot in self._taken.values())
            for option in trial_resources(self._resources):
                capacity = self._capacity[option.device]
                left = {host: capacity[host] - used[host.id, option.device] for host in capacity}
                free = [host for host in capacity if left[host] > 0]
                if free:
                    sign = 1 if self._resources.placement == "spread" else -1
                    host = max(free, key=lambda host: sign * left[host] / capacity[host])
                    self._taken[number] = Slot(host, option)
                    return self._taken[number]
            return None

    def _measure_capacity(self) -> dict[str, dict[Host, int]]:
        """Device -> machine -> how many trials it holds on that device."""
        trials = {host: trials_by_device(host, self._resources) for host in self._hosts}
        return {
            option.device: {host: trials[host][option.device] for host in self._hosts}
            for option in trial_resources(self._resources)
        }

    @property
    def full(self) -> bool:
        """Whether no further trial could be placed."""
        with self._lock:
            return len(self._taken) >= self.cluster.workers

    def of(self, number: int) -> Slot:
        """The slot of trial `number`. Raises KeyError if it has none."""
        return self._taken[number]

    def leave(self, number: int) -> None:
        """Free the slot of a trial, if it has one."""
        with self._lock:
            self._taken.pop(number, None)
