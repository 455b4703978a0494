"""What trials are trained on: the machines of a cluster, and a trial's share of one."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search.plan.budget import Resources
from trainable.errors import BenchsweepError


class InsufficientResources(BenchsweepError, RuntimeError):
    """No machine has what one trial requires."""


@dataclass(frozen=True)
class Cluster:
    """What a search has to train on."""

    workers: int
    """Maximum number of trials trained at once."""
    device: str
    """"cpu", "cuda" or "mps"; "any" if some trials are given a GPU and others none."""
    threads: int
    """CPU threads of each trial."""
    hosts: int
    """Machines that can hold a trial."""


@dataclass(frozen=True)
class Host:
    """A machine of the cluster."""

    id: str
    """Ray's id of its node."""
    name: str
    """Its name in messages."""
    resources: Mapping[str, float] = field(hash=False)
    """All that it offers, used or not, by Ray's names: CPU, GPU, and custom resources."""


@dataclass(frozen=True)
class TrialResources:
    """What one trial is given."""

    device: str
    """"cpu", "cuda" or "mps"."""
    bundle: Mapping[str, float] = field(hash=False)
    """Its share of one machine's resources, by Ray's names."""

    def count_in(self, resources: Mapping[str, float]) -> int:
        """How many trials a machine with these resources holds."""
        return min(
            _count(resources.get(name, 0.0), amount, name) for name, amount in self.bundle.items() if amount
        )


def _count(available: float, required: float, name: str) -> int:
    if name == "GPU" and required < 1:
        # A trial's share lies on one GPU: two GPUs hold four trials of 0.4, not five.
        return int(1 / required + 1e-9) * int(available)
    return int(available / required + 1e-9)


def trial_resources(resources: Resources) -> tuple[TrialResources, ...]:
    """What a trial of a plan with these `resources` may be given, the best first."""
    without_gpu = {"CPU": float(resources.cpus), **resources.custom}
    with_gpu = {**without_gpu, "GPU": resources.gpus} if resources.gpus else without_gpu
    if resources.device == "any":
        return TrialResources("cuda", with_gpu), TrialResources("cpu", without_gpu)
    automatic = "cuda" if resources.gpus else "cpu"
    device = automatic if resources.device == "auto" else resources.device
    return (TrialResources(device, with_gpu),)


def trials_by_device(host: Host, resources: Resources) -> Counter[str]:
    """How many trials the machine holds at once, by the device they train on."""
    available, trials = dict(host.resources), Counter[str]()
    for option in trial_resources(resources):
        if option.device == "cuda" and not host.resources.get("GPU"):
            continue
        count = option.count_in(available)
        trials[option.device] = count * resources.together
        for name, amount in option.bundle.items():
            available[name] = available.get(name, 0.0) - count * amount
    return +trials


def cluster_of(hosts: Sequence[Host], resources: Resources) -> Cluster:
    """What these machines are for a search. Raises InsufficientResources if none of them holds a trial."""
    if resources.device == "mps" and platform.system() != "Darwin":
        raise InsufficientResources(
            f'resources.device is "mps", which only Macs have, but this is {platform.system()}', 'use "auto"'
        )
    workers = sum(trials_by_device(host, resources).total() for host in hosts)
    if not workers:
        raise _no_room(hosts, resources)
    options = trial_resources(resources)
    device = options[0].device if len(options) == 1 else "any"
    usable = sum(bool(trials_by_device(host, resources)) for host in hosts)
    return Cluster(min(workers, resources.concurrency or workers), device, resources.cpus, usable)


def _no_room(hosts: Sequence[Host], resources: Resources) -> InsufficientResources:
    if not hosts:
        return InsufficientResources("a search needs a machine to train on, but there is none")
    if resources.device == "cuda" and not any(host.resources.get("GPU") for host in hosts):
        return InsufficientResources(
            'resources.device is "cuda", but no machine has a GPU',
            'use "auto" or "cpu", or add a machine that has one',
        )
    required = {"CPU": 0.0, "GPU": 0.0} | dict(trial_resources(resources)[-1].bundle)
    largest = max(hosts, key=lambda host: [host.resources.get(name, 0.0) for name in reversed(required)])
    available = {name: largest.resources.get(name, 0.0) for name in required}
    custom = "".join(f", {name} = {amount:g}" for name, amount in resources.custom.items())
    machines = "the only machine" if len(hosts) == 1 else f"the largest of {len(hosts)} machines"
    return InsufficientResources(
        f"a trial must fit on one machine, but it requires cpus = {resources.cpus:g} and gpus = "
        f"{required['GPU']:g}{custom} ([resources]), and {machines} has "
        f"{available.pop('CPU'):g} CPUs and {available.pop('GPU'):g} GPUs"
        f"{''.join(f', {name} = {amount:g}' for name, amount in available.items())}",
        "request less, or add a machine",
    )
