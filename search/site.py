"""Where a search's trials are trained: on this machine, or on a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """address: of a Ray cluster ("auto" or host:port), None for this machine alone. ship_code: whether this
    machine's benchsweep and trainable are sent to the others, where no copy of them is installed."""

    address: str | None = None
    ship_code: bool = False

    @property
    def alone(self) -> bool:
        """Whether this machine is all there is."""
        return self.address is None


HERE = Site()
