"""What a search needs of whatever trains its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from search.cluster.placement import Slots
from search.engine.driver import Driver
from search.engine.events import Event


class Engine(Protocol):
    """What trains the trials of a search."""

    @property
    def slots(self) -> Slots | None:
        """Where trials are trained; None until `gather` has found a machine that can hold one."""

    def gather(self, stopped: Callable[[], bool]) -> Iterator[str]:
        """Wait until a trial can be trained, or until `stopped`. Yields messages for the user.

        Raises InsufficientResources."""

    def train(self, driver: Driver, data: Any) -> Iterator[Event]:
        """Train what the driver hands out until it has nothing more, or asks to stop. data: what the
        trainable's Source loaded. Raises what ended the search early."""
