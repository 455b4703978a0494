"""Hosts of their own, in network namespaces of this machine: the type of the fixture `network`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lan

Network = Callable[..., tuple[list[lan.Host], Path]]
