"""What trials are trained on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """What trials run on. workers: trials at once. device: "cpu", "cuda" or "mps"; threads: CPU
    threads of each trial. hosts: machines."""

    workers: int
    device: str
    threads: int
    hosts: int
