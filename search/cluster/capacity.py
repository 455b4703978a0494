"""What trials are trained on: the machines of a cluster, and what of one of them a trial is given."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search.plan.budget import Resources
from trainable.errors import BenchsweepError


class InsufficientResources(BenchsweepError, RuntimeError):
    """No machine has what one trial asks for; says what it asks and what there is."""


@dataclass(frozen=True)
class Cluster:
    """What trials run on. workers: trials at once. device: "cpu", "cuda" or "mps", or "any" where some
    trials are given a GPU and others none; threads: CPU threads of each trial. hosts: machines."""

    workers: int
    device: str
    threads: int
    hosts: int


@dataclass(frozen=True)
class Host:
    """A machine of the cluster. id: Ray's of its node. name: how its users call it. resources: all that it
    offers, used or not, by Ray's names: CPU, GPU, and whatever its owner named."""

    id: str
    name: str
    resources: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True)
class TrialResources:
    """What one trial is given. device: it trains on. bundle: of one host's resources, by Ray's names."""

    device: str
    bundle: Mapping[str, float] = field(hash=False)

    def fits(self, resources: Mapping[str, float]) -> int:
        """How often a host with these resources holds it."""
        return min(
            _times(resources.get(name, 0.0), asked, name) for name, asked in self.bundle.items() if asked
        )


def _times(there: float, asked: float, name: str) -> int:
    if name == "GPU" and asked < 1:
        # A trial's share lies on one GPU: two GPUs hold four trials of 0.4, not five.
        return int(1 / asked + 1e-9) * int(there)
    return int(there / asked + 1e-9)


def shares(asked: Resources) -> tuple[TrialResources, ...]:
    """What a trial may be given, the best first."""
    common = {"CPU": float(asked.cpus), **asked.custom}
    with_gpu = {**common, "GPU": asked.gpus} if asked.gpus else common
    if asked.device == "any":
        return TrialResources("cuda", with_gpu), TrialResources("cpu", common)
    device = ("cuda" if asked.gpus else "cpu") if asked.device == "auto" else asked.device
    return (TrialResources(device, with_gpu),)


def held(host: Host, asked: Resources) -> Counter[str]:
    """How many trials the host holds at once, by the device they train on."""
    left, found = dict(host.resources), Counter[str]()
    for share in shares(asked):
        if share.device == "cuda" and not host.resources.get("GPU"):
            continue
        found[share.device] = times = share.fits(left)
        for name, each in share.bundle.items():
            left[name] = left.get(name, 0.0) - times * each
    return +found


def cluster_of(hosts: Sequence[Host], asked: Resources) -> Cluster:
    """What these hosts are to a search. Raises InsufficientResources where none holds a trial."""
    if asked.device == "mps" and platform.system() != "Darwin":
        raise InsufficientResources(
            f'resources.device is "mps", which Macs have, but this is {platform.system()}; use "auto"'
        )
    workers = sum(held(host, asked).total() for host in hosts)
    if not workers:
        raise InsufficientResources(_no_room(hosts, asked))
    kinds = shares(asked)
    device = kinds[0].device if len(kinds) == 1 else "any"
    able = sum(bool(held(host, asked)) for host in hosts)
    return Cluster(min(workers, asked.concurrency or workers), device, asked.cpus, able)


def _no_room(hosts: Sequence[Host], asked: Resources) -> str:
    if not hosts:
        return "a search needs a machine to train on, but there is none"
    if asked.device == "cuda" and not any(host.resources.get("GPU") for host in hosts):
        return (
            'resources.device is "cuda", but no machine has a GPU; use "auto" or "cpu", or add a machine '
            "that has one"
        )
    share = shares(asked)[-1]
    wanted = {"CPU": 0.0, "GPU": 0.0} | dict(share.bundle)
    largest = max(hosts, key=lambda host: [host.resources.get(name, 0.0) for name in reversed(wanted)])
    there = {name: largest.resources.get(name, 0.0) for name in wanted}
    custom = "".join(f", {name} = {amount:g}" for name, amount in asked.custom.items())
    return (
        f"a trial must fit on one machine, but it asks for cpus = {asked.cpus:g} and gpus = "
        f"{wanted['GPU']:g}{custom} ([resources]), and the largest of {len(hosts)} machines has "
        f"{there.pop('CPU'):g} CPUs and {there.pop('GPU'):g} GPUs"
        f"{''.join(f', {name} = {amount:g}' for name, amount in there.items())}; ask for less, or add a "
        f"machine"
    )
