"""What this machine has, as far as it can be told without Ray, which takes seconds to start."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from search.cluster.access import Site
from search.cluster.capacity import InsufficientResources, trial_resources
from search.plan.budget import Resources

_OTHER_ADVICE = "or train on a cluster that has one, with --address"


def check_room(resources: Resources, site: Site) -> None:
    """Raises InsufficientResources if no trial can have these resources on this machine; not for a cluster,
    which is known only once it is connected. With --local, a trial has as many CPUs as it asks for.

    Custom resources are left to Ray, which alone knows them.
    """
    if not site.alone:
        return
    if resources.device == "mps" and platform.system() != "Darwin":
        raise InsufficientResources(
            f'resources.device is "mps", which only Macs have, but this is {platform.system()}', 'use "auto"'
        )
    required = dict(trial_resources(resources)[-1].bundle)
    cpus, gpus = os.cpu_count() or 1, _gpus_at_most(required.get("GPU", 0.0))
    if resources.device == "cuda" and not gpus:
        raise InsufficientResources(
            'resources.device is "cuda", but this machine has no GPU',
            f'use "auto" or "cpu", {_OTHER_ADVICE}',
        )
    too_many_cpus = not site.local and required["CPU"] > cpus
    if too_many_cpus or required.get("GPU", 0.0) > gpus:
        raise InsufficientResources(
            f"a trial must fit on this machine, but it requires cpus = {required['CPU']:g} and gpus = "
            f"{required.get('GPU', 0.0):g} ([resources]), and this machine has "
            f"{_counted(cpus, 'CPU')} and {_counted(gpus, 'GPU')}",
            "request less, or train on a cluster with a larger machine, with --address",
        )


def _counted(count: float, name: str) -> str:
    return f"{count:g} {name}{'' if count == 1 else 's'}" if count else f"no {name}"


def _gpus_at_most(required: float) -> float:
    """Number of GPUs; as many as are required where there is a driver, but nothing that counts them."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), *(path for path in (Path("/dev/dxg"),) if path.exists())]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") is not None
    counted = gpus()
    return max(counted, required, 1.0) if devices and not counted and not hidden else float(counted)


def gpus() -> int:
    """Number of GPUs that CUDA shows to this process; of AMD's, which ROCm shows as such, at most one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return sum(name.strip() not in ("", "-1") for name in visible.split(","))
    if shutil.which("nvidia-smi") is None:
        return int(Path("/dev/kfd").exists())
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())
