"""Ray, up for one search: a cluster that is there, or this machine's own."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import ray
from ray._private.utils import get_num_cpus
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError

from search.cluster.access import HERE, Site, check, explained
from search.cluster.capacity import InsufficientResources, cluster_of, shares
from search.cluster.placement import Slots
from search.cluster.shipping import sent_along
from search.engine.hosts import Hosts, hosts_alive
from search.engine.internals import local_addresses_only, preloading, without_monitor_and_dashboard
from search.engine.processes import Descendants
from search.plan.budget import Resources
from trainable.contract import import_root
from trainable.errors import BenchsweepError

_ANSWERS = 30.0
"""Seconds to wait for every machine's answer, once one can hold a trial."""

_SILENCE = 30.0
"""Seconds that a cluster may not answer. After 60 Ray ends this process, without a word."""
_GROWING = 600.0
"""Seconds to wait for a machine that can hold a trial: a cluster that grows by itself takes minutes."""
_EVERY = 1.0
"""Seconds between two looks at a cluster's machines."""
_WISH = 60.0
"""Seconds after which a cluster is told again how many places are wanted."""


class EngineLost(BenchsweepError, RuntimeError):
    """Ray's own processes died, or do not answer; says which."""

    exit_at_once = True  # Ray, on its way out, would ask its dead for a minute


class Engine:
    """Ray, up. `gather` first; then `places` tells what it offers a search."""

    def __init__(self, asked: Resources, site: Site, hosts: Hosts | None, trials: int | None = None) -> None:
        """hosts: of a cluster; None where this machine is alone. trials: that are to be trained at most, None
        for no limit."""
        self._asked = asked
        self._trials = trials
        self._wanted, self._wished = 0, 0.0
        self._site = site
        self._hosts = hosts
        self._ours = Descendants(os.getpid())
        self._heard = self._looked = time.monotonic()
        self._look: threading.Thread | None = None
        self._told: list[str] = []
        self._fault: Exception | None = None
        self._places: Slots | None = None

    @property
    def places(self) -> Slots:
        """Where trials are trained, and which."""
        assert self._places is not None, "gather comes first"
        return self._places

    @property
    def closed(self) -> frozenset[str]:
        """Ray's ids of the nodes where no trial may go, or not yet."""
        return frozenset() if self._hosts is None else self._hosts.closed

    @property
    def ready(self) -> bool:
        """Whether there are places: not where `gather` was stopped before there were."""
        return self._places is not None

    def gather(self, stopped: Callable[[], bool]) -> Iterator[str]:
        """Wait for machines that can hold a trial, unless stopped; a sentence for what there is to know
        meanwhile.

        Raises InsufficientResources: at once on this machine alone, after ten minutes on a cluster."""
        if self._hosts is None:
            self._places = Slots(hosts_alive(), self._asked)
            return
        began, told = time.monotonic(), False
        self._want(0)
        while not stopped():
            self.check()
            yield from self._hosts.look()
            try:
                places = Slots(self._hosts.accepted, self._asked)
            except InsufficientResources:
                if self._hosts.waiting and not told:
                    time.sleep(0.1)
                    continue
                why = self._no_room()
                if time.monotonic() - began > _GROWING:
                    raise InsufficientResources(why) from None
                if not told:
                    yield f"{why}; waiting up to {_GROWING / 60:.0f} minutes for such a machine to join"
                    told = True
                time.sleep(_EVERY)
            else:
                # The rest may join later; those that are there already are worth a moment.
                if not self._hosts.waiting or time.monotonic() - began > _ANSWERS:
                    self._places = places
                    return
                time.sleep(0.1)

    def _no_room(self) -> str:
        assert self._hosts is not None
        there = [host for host in hosts_alive() if host.id not in self._hosts.refused]
        try:
            cluster_of(there, self._asked)
        except InsufficientResources as error:
            if there:
                return str(error)
        return f"a search needs a machine that can train, but all {len(self._hosts.refused)} were refused"

    def look(self) -> tuple[list[str], bool]:
        """Take in machines that came or went: what is to be told of them, and whether `places` holds
        another number of trials now. To be called about once a second."""
        if self._hosts is None or (self._look is not None and self._look.is_alive()):
            return [], False
        if self._fault is not None:
            raise self._fault
        told, self._told = self._told, []
        changed = self.places.change(self._hosts.accepted)
        if time.monotonic() - self._looked >= _EVERY:
            self._looked = time.monotonic()
            # Beside us: of a head that died just now Ray waits a minute for the answer.
            self._look = threading.Thread(target=self._ask, args=(self._hosts,), daemon=True)
            self._look.start()
        return told, changed

    def _ask(self, hosts: Hosts) -> None:
        try:
            self._told = hosts.look()
            self._want(self.places.cluster.workers)
        except (RayError, OSError):
            return  # the head does not answer just now: how long it may, `check` knows
        except Exception as error:  # raised where the stream is iterated
            self._fault = error

    def _want(self, workers: int) -> None:
        """Ask a cluster that grows by itself for as many places as the plan wants. Where that sets no limit,
        for twice those that there are, until as many machines as its owner allows have come.

        Repeated now and then, for there is one such wish in a cluster, and another search may have withdrawn
        it. workers: places that there are."""
        wanted = self._asked.concurrency or max(1, 2 * workers)
        wanted = min(wanted, self._trials or wanted)
        if wanted != self._wanted or time.monotonic() - self._wished > _WISH:
            self._wanted, self._wished = wanted, time.monotonic()
            bundle = {name: amount for name, amount in shares(self._asked)[0].bundle.items() if amount}
            request_resources(bundles=[bundle] * wanted)

    def check(self) -> None:
        """Raise EngineLost when a process has died without which Ray waits a minute and then ends ours
        without a word. To be called about once a second."""
        node = ray._private.worker._global_node
        if self._site.alone:
            self._ours.look()
            for kind, process in node.dead_processes():
                if kind in ("gcs_server", "raylet"):
                    raise EngineLost(
                        f"Ray needs its process {kind}, but that ended (exit status {process.returncode}); "
                        f"its logs lie in {node.get_logs_dir_path()}"
                    )
        elif _answers(node.gcs_address):
            self._heard = time.monotonic()
        elif (silent := time.monotonic() - self._heard) > _SILENCE:
            raise EngineLost(
                f"the head of the Ray cluster must answer, but {node.gcs_address} has not for "
                f"{silent:.0f} s; see whether that machine is up and reached from here"
            )

    def close(self, lost: bool) -> None:
        """Ask for nothing any more. lost: end what is left of Ray, where its own shutdown would wait for the
        dead, and end this process when it gives up."""
        if lost:
            self._ours.kill()
            return
        if self._look is not None:
            self._look.join(timeout=_ANSWERS)  # which may just be asking for more
        if self._wanted and _answers(ray._private.worker._global_node.gcs_address):
            with suppress(RayError, OSError):  # it has just gone
                request_resources(bundles=[])


@contextmanager
def connected(
    resources: Resources,
    site: Site = HERE,
    preload: Sequence[str] = (),
    trainable: str = "trainable.mlp",
    seen: Path | None = None,
    trials: int | None = None,
) -> Iterator[Engine]:
    """Ray, up while inside: the cluster of `site`, or this machine's own, reachable from nowhere else.

    resources: of one trial. preload: modules that this machine's workers import while Ray still starts.
    trainable: the module that is searched; for a cluster it was imported. seen: a file that a cluster's
    machines must see as this one does. trials: that are to be trained at most, None for no limit."""
    alone = site.alone
    root = "" if alone else import_root(trainable)
    with (
        _let_in(site.address),
        local_addresses_only(alone),
        without_monitor_and_dashboard(alone),
        preloading(preload if alone and resources.cpus <= 1 else ()),
        sent_along(trainable, root) if site.ship_code and not alone else nullcontext() as folder,
    ):
        ray.init(
            address="local" if site.address is None else site.address,
            **({"include_dashboard": False, "num_cpus": _useful(resources)} if alone else {}),
            **({} if folder is None else {"runtime_env": {"working_dir": str(folder)}}),
            log_to_driver=True,
            logging_level=logging.ERROR,
        )
    engine, lost = None, False
    try:
        hosts = None if alone else Hosts(trainable, root, None if seen is None else str(seen))
        engine = Engine(resources, site, hosts, trials)
        yield engine
    except EngineLost:
        lost = True
        raise
    finally:
        if engine is not None:
            engine.close(lost)
        if not lost:
            ray.shutdown()


def _answers(address: str) -> bool:
    """Whether somebody listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except OSError:
        return False
    return True


@contextmanager
def _let_in(address: str | None) -> Iterator[None]:
    """Say why, where a cluster does not take this process. Raises ConnectionError."""
    if address is None:
        yield
        return
    check(address)
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise explained(address, error) from error


def _useful(asked: Resources) -> int | None:
    """So many of this machine's CPUs as the trials at once may use; None for all, or too few."""
    if asked.concurrency is None:
        return None
    wanted, there = math.ceil(asked.concurrency * asked.cpus), get_num_cpus()
    return wanted if wanted < there else None
