"""Which idle workers are kept, and which trial reuses them.

If a trial waits for its worker and another worker becomes free, Ray Tune gives it that one, and cancels the
request it made. If trials are shorter than a worker's start-up, few workers would ever come up that way; and
a request that is cancelled while Ray grants it was seen to occupy its machine forever. While any trial waits,
Tune also ends idle workers on machines where that trial cannot go.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ray.air.execution.resources.request import ResourceRequest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.utils.object_cache import _ObjectCache

_MAX_WAIT = 2.0
"""Seconds that a trial may wait for room on a machine before idle workers are ended for it."""
_MAX_IDLE = 30.0
"""Seconds that a worker may be idle: on a cluster, others may need its room."""


class Controller(TuneController):
    """Ray Tune's loop, but a worker that has begun to start is not cancelled, and an idle one is kept for a
    while, unless its room is needed."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._actor_cache = _IdleWorkers()

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        if trial in self._trial_to_actor and trial not in self._resetting_trials:
            return False  # its own worker is on its way
        return bool(super()._maybe_reuse_cached_actor(trial))

    def _cleanup_cached_actors(self, force_all: bool = False) -> None:
        room_needed = self._actor_cache.room_needed(self._actor_manager.pending_actors)
        super()._cleanup_cached_actors(force_all or room_needed)


def _cache_key(request: Any) -> Any:
    """The resources and the machine of a worker's request: which other machines were closed to it does not
    matter."""
    if isinstance(request, ResourceRequest):
        return json.dumps([request.bundles, request._kwargs.get("_soft_target_node_id")], sort_keys=True)
    return request


class _IdleWorkers(_ObjectCache):
    """Workers that wait for their next trial, by resources and machine."""

    def __init__(self) -> None:
        super().__init__()
        self._idle_since: dict[Any, float] = {}
        self._deadline: dict[Any, float] = {}
        """Worker that waits to be placed -> until when it may."""

    def room_needed(self, pending: Iterable[Any]) -> bool:
        """Whether a worker has waited too long to be placed: Ray may have placed another worker where its
        trial has its slot, and that one holds the room. At most once per worker in a while, for if other
        programs hold the room, ending workers does not help."""
        now = time.monotonic()
        self._deadline = {worker: self._deadline.get(worker, now + _MAX_WAIT) for worker in pending}
        overdue = [worker for worker, deadline in self._deadline.items() if now > deadline]
        self._deadline.update(dict.fromkeys(overdue, now + _MAX_IDLE))
        return bool(overdue)

    def has_cached_object(self, key: Any) -> bool:
        return bool(super().has_cached_object(_cache_key(key)))

    def pop_cached_object(self, key: Any) -> Any:
        return super().pop_cached_object(_cache_key(key))

    def cache_object(self, key: Any, obj: Any) -> bool:
        self._cached_objects[_cache_key(key)].append(obj)
        self._num_cached_objects += 1
        self._idle_since[obj] = time.monotonic()
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        until = math.inf if force_all else time.monotonic() - _MAX_IDLE
        for workers in self._cached_objects.values():
            while workers and self._idle_since[workers[0]] < until:
                self._num_cached_objects -= 1
                yield workers.pop(0)
