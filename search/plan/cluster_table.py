"""The [cluster] table of a plan: the machines for which `benchsweep cluster` writes a file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from search.plan.table import Table

_SECRET = re.compile(r"(ACCESS_KEY|SECRET|TOKEN|PASSWORD)(?!\w*(PATH|FILE))\w*=", re.IGNORECASE)


def _no_secret(line: str) -> str:
    if match := _SECRET.search(line):
        raise ValueError(
            f"must not contain secrets, since every copy of the plan would show them, but sets {match[0]}…; "
            f"set it on the machines, or source a file there that sets it"
        )
    return line


_ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/@:+-]*$", max_length=200)]
_FolderPath = Annotated[str, Field(pattern=r"^(~?/)[A-Za-z0-9._/@+-]*$", max_length=200)]
_Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
_Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
_Command = Annotated[str, Field(min_length=1, pattern=r"^[^\r\n]+$"), AfterValidator(_no_secret)]


class Ssh(Table):
    """Your own machines, reached by ssh, for `ray up`."""

    head: _ResourceName
    """Name or address of the machine that runs the search's driver."""
    workers: list[_ResourceName] = Field(min_length=1)
    """Names or addresses of the other machines."""
    user: _ResourceName
    """User name for ssh."""
    key: _FolderPath = "~/.ssh/id_ed25519"
    """Path of the private key on this machine."""


class Aws(Table):
    """Amazon EC2 instances, launched and terminated by `ray up`."""

    region: _ResourceName
    """AWS region, as in us-west-2."""
    head_type: _ResourceName = "m7i.xlarge"
    """Instance type of the head, which trains no trials."""
    worker_type: _ResourceName = "m7i.2xlarge"
    """Instance type of the workers, with the table's cpus and gpus."""
    nfs: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:/[A-Za-z0-9._/-]*$")]
    """File system that all machines mount, as in fs-0123.efs.us-west-2.amazonaws.com:/"""


class Kubernetes(Table):
    """Pods of a KubeRay RayJob."""

    image: _ResourceName
    """Container image with benchsweep and its packages."""
    namespace: _Label = "default"
    """Namespace of the job."""
    claim: _Label = "benchsweep"
    """PersistentVolumeClaim (ReadWriteMany) for the runs."""
    secret: _Label | None = None
    """Secret whose entries become environment variables of the Pods, as AWS_ACCESS_KEY_ID; none if left
    out."""
    operator: _Label | None = None
    """Namespace of the KubeRay operator; any namespace if left out."""


class Slurm(Table):
    """A job of the Slurm workload manager."""

    time: Annotated[str, Field(pattern=r"^(\d+-)?\d{1,3}(:\d{2}){0,2}$")] = "04:00:00"
    """Time limit of the job in Slurm's notation: hours:minutes:seconds."""
    partition: _ResourceName | None = None
    """Partition; the site's default if left out."""
    account: _ResourceName | None = None
    """Account; the user's default if left out."""


class ClusterTable(Table):
    """The machines of a cluster."""

    workers: int = Field(default=2, ge=1, le=10_000)
    """Maximum number of machines in addition to the head."""
    min_workers: int | None = Field(default=None, ge=0)
    """Minimum number of machines in addition to the head; equal to workers if left out."""
    cpus: int = Field(default=4, ge=1)
    """CPUs per machine for trials."""
    gpus: int = Field(default=0, ge=0)
    """GPUs per machine."""
    resources: dict[_Identifier, Annotated[float, Field(gt=0)]] = Field(default={})
    """Custom resources per machine, for resources.custom, as in { licence = 4 }."""
    memory_gib: int = Field(default=16, ge=1)
    """Memory per machine in GiB."""
    shared: _FolderPath = "/mnt/benchsweep"
    """Folder that all machines share, for runs and data."""
    setup: list[_Command] = Field(default=[])
    """Shell commands that make benchsweep and Ray available, run before Ray starts."""
    ssh: Ssh | None = None
    """Your own machines, for ray-up; left out for other clusters."""
    aws: Aws | None = None
    """Amazon EC2 instances, for ray-up; left out for other clusters."""
    kubernetes: Kubernetes | None = None
    """Pods, for kuberay; left out for other clusters."""
    slurm: Slurm = Slurm()
    """The job, for slurm."""

    @property
    def minimum_workers(self) -> int:
        """Number of machines, in addition to the head, that are always kept."""
        return self.workers if self.min_workers is None else min(self.min_workers, self.workers)


ClusterKind = Literal["ray-up", "kuberay", "slurm"]
