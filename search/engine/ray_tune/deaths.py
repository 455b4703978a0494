"""Why a worker died: read from the page of text that Ray writes about it."""

from __future__ import annotations

import re

from search.engine.worker_losses import WorkerDeath

_MEMORY = re.compile(r"low on memory.*?was ([\d.]+ ?GB) used / ([\d.]+ ?GB) limit", re.DOTALL)
_MACHINE = re.compile(
    r"its node has died|node was terminated|node (?:is|was marked) dead|temporarily unavailable", re.I
)
"""What Ray says if the worker's machine is gone, or unreachable, which is all that is known at first."""


def worker_death(text: str) -> WorkerDeath:
    """The death that Ray's `text` describes: of several failures, the last."""
    last = text.rpartition("Failure #")[2]
    return WorkerDeath(_cause(last), _MACHINE.search(last) is not None, text)


def _cause(failure: str) -> str:
    """The reason as a clause; for one that is not known here, Ray's last line, cut at 300 characters."""
    if (memory := _MEMORY.search(failure)) is not None:
        used, limit = memory.groups()
        return (
            f"Ray ended it because the machine ran low on memory ({used} of {limit} used); with more "
            f"resources.cpus per trial, fewer run at once"
        )
    lines = [line.strip() for line in failure.splitlines() if line.strip()] or ["no reason is known"]
    return lines[-1].partition("Some common causes")[0].strip()[:300]
