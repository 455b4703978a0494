"""The limits of this process (`ulimit`) that would keep Ray from starting.

Ray itself would say after half a minute that a node timed out, or end this process without a word. Does not
depend on Ray.
"""

from __future__ import annotations

import math
import resource

from trainable.errors import BenchsweepError

_VIRTUAL_MEMORY = 7 * 2**30
"""Bytes of virtual memory that Ray's largest process takes beside the object store: about 6 GiB with Ray
2.60, most of it for its threads."""
_OPEN_FILES = 64
"""Files that each of Ray's processes may have to open. Ray raises this limit itself as far as it may."""


class LimitTooLow(BenchsweepError, RuntimeError):
    """A limit of this process leaves Ray too little."""


def check_limits(object_store: int) -> None:
    """Raise LimitTooLow where Ray could not start. object_store: size of its object store, in bytes, which is
    one file in memory that each of its processes maps."""
    _check(resource.RLIMIT_AS, "v", "of virtual memory", object_store + _VIRTUAL_MEMORY)
    _check(resource.RLIMIT_FSIZE, "f", "in one file, its object store", object_store)
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if highest != resource.RLIM_INFINITY and highest < _OPEN_FILES:
        raise _too_low("n", f"{_OPEN_FILES} open files", str(highest), "have it raised")


def _check(limit: int, option: str, what: str, needed: int) -> None:
    allowed, highest = (_bytes(value) for value in resource.getrlimit(limit))
    if allowed < needed:
        advice = "have it raised" if highest < needed else f"raise it with `ulimit -{option} unlimited`"
        raise _too_low(option, f"{needed // 1024:,} kB {what}", f"{allowed / 1024:,.0f} kB", advice)


def _bytes(value: int) -> float:
    return math.inf if value == resource.RLIM_INFINITY else value


def _too_low(option: str, needed: str, allowed: str, advice: str) -> LimitTooLow:
    return LimitTooLow(
        f"Ray must be allowed {needed}, but `ulimit -{option}` is {allowed}",
        f"{advice}, or train in this process with --local",
    )
