"""The [cluster] table of a plan: what machines a cluster is to be made of, for `benchsweep cluster`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SECRET = re.compile(r"(ACCESS_KEY|SECRET|TOKEN|PASSWORD)(?!\w*(PATH|FILE))\w*=", re.IGNORECASE)


def _harmless(line: str) -> str:
    if found := _SECRET.search(line):
        raise ValueError(
            f"must not set what is secret, for it would be in every copy of the plan, but sets {found[0]}…; "
            f"set it on the machines, or name a file there that does"
        )
    return line


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/@:+-]*$", max_length=200)]
_FolderPath = Annotated[str, Field(pattern=r"^(~?/)[A-Za-z0-9._/@+-]*$", max_length=200)]
_Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
_Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Ssh(_Table):
    """Machines of one's own, reached by ssh, for `ray up`."""

    head: _ResourceName = Field(
        description="Name or address of the machine that the search's driver runs on."
    )
    workers: list[_ResourceName] = Field(min_length=1, description="Names or addresses of the others.")
    user: _ResourceName = Field(description="Who logs in.")
    key: _FolderPath = Field(default="~/.ssh/id_ed25519", description="The private key, on this machine.")


class Aws(_Table):
    """Machines of Amazon's, made and ended by `ray up`."""

    region: _ResourceName = Field(description="As in us-west-2.")
    head_type: _ResourceName = Field(
        default="m7i.xlarge", description="Instance type of the head, which trains nothing itself."
    )
    worker_type: _ResourceName = Field(
        default="m7i.2xlarge", description="Instance type of the others, with the table's cpus and gpus."
    )
    nfs: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:/[A-Za-z0-9._/-]*$")] = Field(
        description="The file system that all mount, as in fs-0123.efs.us-west-2.amazonaws.com:/"
    )


class Kubernetes(_Table):
    """Pods, for a KubeRay RayJob."""

    image: _ResourceName = Field(description="Container image with benchsweep and its packages installed.")
    namespace: _Label = Field(default="default", description="Where the job is made.")
    claim: _Label = Field(default="benchsweep", description="PersistentVolumeClaim (ReadWriteMany) for runs.")
    secret: _Label | None = Field(
        default=None,
        description="Secret whose entries the Pods have in their environment: AWS_ACCESS_KEY_ID and so on.",
    )
    operator: _Label | None = Field(
        default=None, description="Namespace of KubeRay's operator; any when left out."
    )


class Slurm(_Table):
    """Nodes of a batch system."""

    time: Annotated[str, Field(pattern=r"^(\d+-)?\d{1,3}(:\d{2}){0,2}$")] = Field(
        default="04:00:00", description="Limit of the job, as Slurm reads it: hours:minutes:seconds."
    )
    partition: _ResourceName | None = Field(default=None, description="The site's default when left out.")
    account: _ResourceName | None = Field(default=None, description="The user's default when left out.")


class ClusterTable(_Table):
    """Which machines, beside the head."""

    workers: int = Field(default=2, ge=1, le=10_000, description="Machines beside the head, at most.")
    min_workers: int | None = Field(
        default=None, ge=0, description="At least so many are kept; as many as workers when left out."
    )
    cpus: int = Field(default=4, ge=1, description="CPUs of a machine that trials may use.")
    gpus: int = Field(default=0, ge=0, description="GPUs of a machine.")
    resources: dict[_Identifier, Annotated[float, Field(gt=0)]] = Field(
        default={}, description="What a machine has besides, for resources.custom, as in { licence = 4 }."
    )
    memory_gib: int = Field(default=16, ge=1, description="Memory of a machine, in GiB.")
    shared: _FolderPath = Field(
        default="/mnt/benchsweep", description="Folder that all machines see: runs and data lie in it."
    )
    setup: list[Annotated[str, Field(min_length=1, pattern=r"^[^\r\n]+$"), AfterValidator(_harmless)]] = (
        Field(
            default=[],
            description="Shell commands that make benchsweep and Ray available, before Ray starts.",
        )
    )
    ssh: Ssh | None = None
    aws: Aws | None = None
    kubernetes: Kubernetes | None = None
    slurm: Slurm = Slurm()

    @property
    def least(self) -> int:
        """Machines beside the head that are always there."""
        return self.workers if self.min_workers is None else min(self.min_workers, self.workers)


ClusterKind = Literal["ray-up", "kuberay", "slurm"]
