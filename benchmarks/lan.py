"""Hosts of a network on this machine: network namespaces joined by a bridge, each with its own address, name
and /tmp. Linux and the superuser only; needs `ip` (iproute2) and `unshare` (util-linux)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

NETWORK = "10.77.0"
ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
"""The folder of `ray` and `benchsweep`."""


class NoNamespaces(RuntimeError):
    """Network namespaces cannot be created here."""


@dataclass
class Host:
    """A network namespace that acts as a host."""

    name: str
    """Its host name."""
    address: str
    """Its IP address."""
    namespace: str
    """Name of its namespace for `ip`."""
    link: str
    """Name of its interface on this machine."""
    scratch: Path
    """Its /tmp, as a path of this machine."""
    processes: list[subprocess.Popen[Any]] = field(default_factory=list)
    """What was started on it."""

    @property
    def _inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, "unshare", "--mount", "--uts"]

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], output: IO[Any] | int | None = None
    ) -> subprocess.Popen[Any]:
        """Start a process on this host, in its own process group."""
        inside = f'mount --rbind {self.scratch} /tmp && hostname {self.name} && exec "$@"'
        if ROOT.is_relative_to("/tmp"):
            seen = self.scratch / ROOT.relative_to("/tmp")
            seen.mkdir(parents=True, exist_ok=True)
            inside = f"mount --bind {ROOT} {seen} && {inside}"
        process = subprocess.Popen(
            [*self._inside, "sh", "-c", inside, "sh", *command],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command on this host and wait for it."""
        process = self.start(command, environment, subprocess.PIPE)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(list(command), process.returncode, out, err)

    def cut_off(self) -> None:
        """Disconnect it from the network."""
        _ip("link", "set", self.link, "down")

    @property
    def received(self) -> int:
        """Bytes that it received over the network."""
        return int(Path(f"/sys/class/net/{self.link}/statistics/tx_bytes").read_text())

    @property
    def pids(self) -> list[int]:
        """Process ids of all processes on it."""
        listed = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def kill(self) -> None:
        """Kill every process on it at once, as a power failure would."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()


@contextmanager
def network(*names: str) -> Iterator[tuple[list[Host], Path]]:
    """Hosts of these names, which reach each other and nobody else, and a folder that all of them see; gone
    afterwards, with all that ran on them. Raises NoNamespaces."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        raise NoNamespaces("ip (iproute2) and unshare (util-linux) are needed, but are not installed")
    own = f"bs{os.getpid() % 10**6}"  # an interface's name has at most 15 letters
    bridge, hosts, shared = f"{own}br", [], _shared_folder()
    try:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            _ip("link", "set", bridge, "up")
            for number, name in enumerate(names, 1):
                scratch, at = shared / f"tmp-{name}", f"{NETWORK}.{number}"
                scratch.mkdir()
                host = Host(name, at, f"{own}-{number}", f"{own}v{number}", scratch)
                hosts.append(host)
                _ip("netns", "add", host.namespace)
                _ip("link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
                _ip("link", "set", host.link, "master", bridge, "up")
                inside = ("-n", host.namespace)
                _ip(*inside, "address", "add", f"{host.address}/24", "dev", "eth0")
                _ip(*inside, "link", "set", "eth0", "up")
                _ip(*inside, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            raise NoNamespaces(f"{' '.join(error.cmd)}: {error.stderr.strip()}") from error
        yield hosts, shared
    finally:
        for host in hosts:
            host.kill()
            subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True)
            subprocess.run(["ip", "link", "delete", host.link], capture_output=True)
        subprocess.run(["ip", "link", "delete", bridge], capture_output=True)
        shutil.rmtree(shared)


def ray_on(hosts: Sequence[Host], environment: Mapping[str, str], output: IO[Any], *head: str) -> str:
    """Start Ray on all of them, its head on the first; its address. environment: with RAY_AUTH_MODE and
    the like. head: further options of `ray start --head`."""
    address = f"{hosts[0].address}:6379"
    for host in hosts:
        how = ["--head", "--port=6379", *head] if host is hosts[0] else [f"--address={address}"]
        command = [str(PROGRAMS / "ray"), "start", *how, f"--node-ip-address={host.address}", "--num-cpus=1"]
        command += ["--block", "--object-store-memory=200000000", "--disable-usage-stats"]
        host.start(command, environment, output)
        if host is hosts[0]:
            listens(host, host.address, 6379)
    return address


def listens(host: Host, address: str, port: int) -> None:
    """Wait until somebody does, as seen from that host. Raises TimeoutError after a minute."""
    probe = f"import socket; socket.create_connection(({address!r}, {port}), timeout=1)"
    until = time.monotonic() + 60
    while host.run([sys.executable, "-c", probe], {}).returncode:
        if time.monotonic() > until:
            raise TimeoutError(f"nobody listened on {address}:{port} within 60 s")
        time.sleep(0.3)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _shared_folder() -> Path:
    """A new folder that does not lie in /tmp, of which each host has its own."""
    for number in range(10**6):
        with suppress(FileExistsError):
            path = Path("/var/tmp") / f"benchsweep-lan-{os.getpid()}-{number}"
            path.mkdir()
            return path
    raise AssertionError
