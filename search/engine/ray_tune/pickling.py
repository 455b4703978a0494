"""How Ray pickles what it sends to its workers: more than `pickle` can, such as functions without a name."""

from __future__ import annotations

from typing import Any

from ray import cloudpickle


def pickled(data: Any) -> bytes:
    """The data as a worker gets it. Raises TypeError, AttributeError or PicklingError."""
    content: bytes = cloudpickle.dumps(data)
    return content
