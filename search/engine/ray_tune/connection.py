"""Ray, up for one search: a cluster that exists, or a Ray of this machine's own."""

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

from search.cluster.access import THIS_MACHINE, Site, check, explained
from search.cluster.capacity import InsufficientResources, cluster_of, trial_resources
from search.cluster.placement import Slots
from search.cluster.shipping import shipped_code
from search.engine.processes import Descendants
from search.engine.ray_limits import check_limits
from search.engine.ray_sessions import RaySession, remove_dead_sessions, session_of, sessions_folder, watched
from search.engine.ray_tune.hosts import Hosts, hosts_alive
from search.engine.ray_tune.internals import (
    local_addresses_only,
    object_store_size,
    own_token,
    preloading,
    without_monitor_and_dashboard,
)
from search.plan.budget import Resources
from trainable.contract import import_root
from trainable.errors import BenchsweepError

_FIRST_ANSWERS = 30.0
"""Seconds to wait for every machine's answer, once one can hold a trial."""
_MAX_SILENCE = 30.0
"""Seconds for which a cluster may not answer. After 60 Ray ends this process, without a message."""
_SCALE_UP = 600.0
"""Seconds to wait for a machine that can hold a trial: an autoscaler takes minutes."""
_POLL_INTERVAL = 1.0
"""Seconds between two looks at a cluster's machines."""
_REQUEST_INTERVAL = 60.0
"""Seconds after which the autoscaler is asked again for the same resources."""


class EngineLost(BenchsweepError, RuntimeError):
    """Ray's own processes died, or do not answer."""

    exit_at_once = True  # Ray's shutdown would wait a minute for processes that are gone


class Connection:
    """Ray, up. Call `gather` first; then `slots` holds what it offers a search."""

    def __init__(self, resources: Resources, site: Site, hosts: Hosts | None, trials: int | None) -> None:
        """hosts: of a cluster; None if this machine is alone. trials: maximum number of trainings; None if
        unlimited."""
        self._resources = resources
        self._trials = trials
        self._site = site
        self.ships_code = site.ship_code and not site.alone
        """Whether the trainable's files are sent to every machine."""
        self._hosts = hosts
        self._descendants = Descendants(os.getpid())
        self._requested_slots, self._requested_at = 0, 0.0
        self._last_answer = self._last_poll = time.monotonic()
        self._poll_thread: threading.Thread | None = None
        self._poll_messages: list[str] = []
        self._poll_error: Exception | None = None
        self.slots: Slots | None = None
        """Where trials are trained; None until `gather` has found a machine that can hold one."""

    @property
    def closed(self) -> frozenset[str]:
        """Ray's ids of the nodes where no trial may go, or not yet."""
        return frozenset() if self._hosts is None else self._hosts.closed

    def gather(self, stopped: Callable[[], bool]) -> Iterator[str]:
        """Wait for machines that can hold a trial, until `stopped`. Yields messages for the user.

        Raises InsufficientResources: at once on this machine alone, after ten minutes on a cluster."""
        if self._hosts is None:
            self.slots = Slots(hosts_alive(), self._resources)
            return
        began, waiting_announced = time.monotonic(), False
        self._request_slots(0)
        while not stopped():
            self.check()
            yield from self._hosts.poll()
            try:
                slots = Slots(self._hosts.accepted, self._resources)
            except InsufficientResources:
                if self._hosts.waiting and not waiting_announced:
                    time.sleep(0.1)
                    continue
                reason = self._why_no_room()
                if time.monotonic() - began > _SCALE_UP:
                    raise reason from None
                if not waiting_announced:
                    yield (
                        f"{reason.message}; waiting up to {_SCALE_UP / 60:.0f} minutes for such a machine to "
                        f"join"
                    )
                    waiting_announced = True
                time.sleep(_POLL_INTERVAL)
            else:
                # Machines may join later; those that are up already are worth a moment.
                if not self._hosts.waiting or time.monotonic() - began > _FIRST_ANSWERS:
                    self.slots = slots
                    return
                time.sleep(0.1)

    def _why_no_room(self) -> InsufficientResources:
        assert self._hosts is not None
        usable = [host for host in hosts_alive() if host.id not in self._hosts.refused]
        try:
            cluster_of(usable, self._resources)
        except InsufficientResources as error:
            if usable:
                return error
        return InsufficientResources(
            f"a search needs a machine that can train, but all {len(self._hosts.refused)} were refused"
        )

    def poll(self) -> tuple[list[str], bool]:
        """Take in machines that joined or left. Returns messages for the user, and whether `slots` holds
        another number of trials now. To be called about once a second."""
        if self._hosts is None or (self._poll_thread is not None and self._poll_thread.is_alive()):
            return [], False
        if self._poll_error is not None:
            raise self._poll_error
        assert self.slots is not None
        messages, self._poll_messages = self._poll_messages, []
        changed = self.slots.change(self._hosts.accepted)
        if time.monotonic() - self._last_poll >= _POLL_INTERVAL:
            self._last_poll = time.monotonic()
            # In a thread: if the head died just now, Ray waits a minute for its answer.
            workers = self.slots.cluster.workers
            self._poll_thread = threading.Thread(target=self._ask, args=(self._hosts, workers), daemon=True)
            self._poll_thread.start()
        return messages, changed

    def _ask(self, hosts: Hosts, workers: int) -> None:
        try:
            self._poll_messages = hosts.poll()
            self._request_slots(workers)
        except (RayError, OSError):
            return  # the head does not answer just now; `check` raises if that takes too long
        except Exception as error:  # raised where the stream is iterated
            self._poll_error = error

    def _request_slots(self, workers: int) -> None:
        """Ask the autoscaler for as many slots as the plan can use. If that is unlimited, for twice those
        that exist (workers), until as many machines as its owner allows have come.

        Repeated now and then: a cluster has one such request, which another search may have replaced."""
        wanted = self._resources.concurrency or max(1, 2 * workers)
        wanted = min(wanted, self._trials or wanted)
        if wanted != self._requested_slots or time.monotonic() - self._requested_at > _REQUEST_INTERVAL:
            self._requested_slots, self._requested_at = wanted, time.monotonic()
            bundle = {
                name: amount for name, amount in trial_resources(self._resources)[0].bundle.items() if amount
            }
            request_resources(bundles=[bundle] * wanted)

    def check(self) -> None:
        """Raise EngineLost when a process has died without which Ray would wait a minute and then end this
        process without a message. To be called about once a second."""
        node = ray._private.worker._global_node
        if self._site.alone:
            self._descendants.remember()
            for kind, process in node.dead_processes():
                if kind in ("gcs_server", "raylet"):
                    raise EngineLost(
                        f"Ray needs its process {kind}, but that ended (exit status {process.returncode}); "
                        f"its logs are in {node.get_logs_dir_path()}"
                    )
        elif _answers(node.gcs_address):
            self._last_answer = time.monotonic()
        elif (silence := time.monotonic() - self._last_answer) > _MAX_SILENCE:
            raise EngineLost(
                f"the head of the Ray cluster must answer, but {node.gcs_address} has not for "
                f"{silence:.0f} s",
                "check that this machine is up and can be reached from here",
            )

    def close(self, lost: bool) -> None:
        """Withdraw the request for slots. lost: kill what is left of Ray, whose own shutdown would wait for
        the dead processes, and then end this one."""
        if lost:
            self._descendants.kill()
            return
        if self._poll_thread is not None:
            self._poll_thread.join(timeout=_FIRST_ANSWERS)  # it may be making a request just now
        if self._requested_slots and _answers(ray._private.worker._global_node.gcs_address):
            with suppress(RayError, OSError):  # the head ended just now
                request_resources(bundles=[])


@contextmanager
def connected(
    resources: Resources,
    site: Site = THIS_MACHINE,
    preload: Sequence[str] = (),
    trainable: str = "trainable.mlp",
    code_folder: Path | None = None,
    shared_file: Path | None = None,
    trials: int | None = None,
) -> Iterator[Connection]:
    """Ray, up while inside: the cluster of `site`, or this machine's own, which no other machine can reach.

    resources: of one trial. preload: modules that this machine's workers import while Ray still starts.
    trainable: the module that is searched. code_folder: where it is looked for first. shared_file: a file
    that all machines of a cluster must see; None for none. trials: maximum number of trainings; None if
    unlimited."""
    alone = site.alone
    root = "" if alone else import_root(trainable, code_folder)
    with _private_folder(alone) as folder:
        own = {"include_dashboard": False, "num_cpus": _cpus_needed(resources), "_temp_dir": str(folder)}
        with (
            _explaining_refusal(site.address) if folder is None else _explaining_failed_start(folder),
            local_addresses_only(alone),
            without_monitor_and_dashboard(alone),
            preloading(preload if alone and resources.cpus <= 1 else ()),
            shipped_code(trainable, root) if site.ship_code and not alone else nullcontext() as code,
        ):
            ray.init(
                address="local" if site.address is None else site.address,
                **(own if alone else {}),
                **({} if code is None else {"runtime_env": {"working_dir": str(code)}}),
                log_to_driver=True,
                logging_level=logging.ERROR,
            )
        session = RaySession.at(Path(ray._private.worker._global_node.get_session_dir_path()))
        connection, lost = None, False
        try:
            hosts = (
                None if alone else Hosts(trainable, root, None if shared_file is None else str(shared_file))
            )
            connection = Connection(resources, site, hosts, trials)
            yield connection
        except EngineLost:
            lost = True
            raise
        finally:
            if connection is not None:
                connection.close(lost)
            if not lost:  # what is lost has logs worth reading, which the next start removes
                ray.shutdown()
                if alone and session is not None:
                    session.remove()


@contextmanager
def _private_folder(alone: bool) -> Iterator[Path | None]:
    """The folder of Ray's sessions, without those of searches that were killed, if this machine is alone."""
    if not alone:
        yield None
        return
    check_limits(object_store_size())
    folder = sessions_folder()
    remove_dead_sessions(folder)
    with own_token(), watched(folder):
        yield folder


def _answers(address: str) -> bool:
    """Whether a process listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except OSError:
        return False
    return True


@contextmanager
def _explaining_refusal(address: str | None) -> Iterator[None]:
    """Raises CannotConnect if the cluster at `address` refuses this process."""
    if address is None:
        yield
        return
    check(address)
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise explained(address, error) from error


@contextmanager
def _explaining_failed_start(folder: Path) -> Iterator[None]:
    """Raises EngineLost, whatever the start of this machine's own Ray raises, and ends what had started.
    folder: of its sessions."""
    try:
        yield
    except Exception as error:  # of any type: a time-out is a bare Exception
        session = session_of(folder, os.getpid())
        logs = "" if session is None else f"; its logs are in {session.path / 'logs'}"
        if session is not None:
            session.end()  # the folder stays until the next start: it has the logs
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise EngineLost(
            f"Ray must start on this machine, but did not: {reason}{logs}",
            "check memory, disk and `ulimit -a`, or train in this process with --local",
        ) from error


def _cpus_needed(resources: Resources) -> int | None:
    """How many of this machine's CPUs the trials at once can use; None if all of them, or more."""
    if resources.concurrency is None:
        return None
    needed = math.ceil(resources.concurrency * resources.cpus)
    return needed if needed < get_num_cpus() else None
