"""Why a worker died, in a sentence: from the page of text that Ray writes about it."""

from __future__ import annotations

import re

_MEMORY = re.compile(r"low on memory.*?was ([\d.]+ ?GB) used / ([\d.]+ ?GB) limit", re.DOTALL)


_NODE = re.compile(
    r"its node has died|node was terminated|node (?:is|was marked) dead|temporarily unavailable", re.I
)


def node_lost(text: str) -> bool:
    """Whether the last failure that Ray tells of is that the worker's machine has gone, or cannot be reached,
    which is all that is known at first."""
    return _NODE.search(text.rpartition("Failure #")[2]) is not None


def cause(text: str) -> str:
    """The reason of the last failure that Ray tells of; its last line, cut, where it is a new one."""
    last = text.rpartition("Failure #")[2]
    if (memory := _MEMORY.search(last)) is not None:
        used, limit = memory.groups()
        return (
            f"Ray ended it, for the machine ran low on memory ({used} of {limit} used); with more "
            f"resources.cpus a trial, fewer run at once"
        )
    lines = [line.strip() for line in last.splitlines() if line.strip()] or ["no reason is known"]
    told = lines[-1].partition("Some common causes")[0].strip()
    return told[:300]
