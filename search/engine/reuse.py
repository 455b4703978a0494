"""Workers that are used again: which idle one is kept, and whose trial it is given.

Where a trial waits for its worker and another one becomes free, Ray Tune gives it that one, and withdraws
what it asked for. Where trials are shorter than a worker's start, few workers would ever be up so; and what
is withdrawn while Ray grants it was seen to stay taken on that machine for good. While any trial waits, Tune
also ends idle workers of other machines than that trial's.
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

_PATIENCE = 2.0
"""Seconds that a trial may wait for room on a machine before idle workers are ended for it."""

_KEPT = 30.0
"""Seconds that a worker may be idle. On a cluster others may want its room."""


class Controller(TuneController):
    """Ray Tune's loop, which lets a worker start that has begun to, and keeps an idle one for its place,
    for a while, unless the room is needed."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._actor_cache = _Idle()

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        if trial in self._trial_to_actor and trial not in self._resetting_trials:
            return False  # what it asked for comes
        return bool(super()._maybe_reuse_cached_actor(trial))

    def _cleanup_cached_actors(self, force_all: bool = False) -> None:
        in_the_way = self._actor_cache.in_the_way(self._actor_manager.pending_actors)
        super()._cleanup_cached_actors(force_all or in_the_way)


def _held(key: Any) -> Any:
    """What a worker that was asked for so holds of which machine; it makes no difference which others were
    closed to it."""
    if isinstance(key, ResourceRequest):
        return json.dumps([key.bundles, key._kwargs.get("_soft_target_node_id")], sort_keys=True)
    return key


class _Idle(_ObjectCache):
    """Workers that wait for their next trial, by what they hold of which machine."""

    def __init__(self) -> None:
        super().__init__()
        self._idle: dict[Any, float] = {}
        self._waiting: dict[Any, float] = {}
        """Until when one may still wait."""

    def in_the_way(self, waiting: Iterable[Any]) -> bool:
        """Whether one of those that wait for room has done so for long. Where Ray did not grant a trial the
        machine it was placed on, its worker holds room that no trial placed there can have. Said once for
        each in a while: where others have that room, ending workers does not help."""
        now = time.monotonic()
        self._waiting = {worker: self._waiting.get(worker, now + _PATIENCE) for worker in waiting}
        late = [worker for worker, until in self._waiting.items() if now > until]
        self._waiting.update(dict.fromkeys(late, now + _KEPT))
        return bool(late)

    def has_cached_object(self, key: Any) -> bool:
        return bool(super().has_cached_object(_held(key)))

    def pop_cached_object(self, key: Any) -> Any:
        return super().pop_cached_object(_held(key))

    def cache_object(self, key: Any, obj: Any) -> bool:
        self._cached_objects[_held(key)].append(obj)
        self._num_cached_objects += 1
        self._idle[obj] = time.monotonic()
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        until = math.inf if force_all else time.monotonic() - _KEPT
        for workers in self._cached_objects.values():
            while workers and self._idle[workers[0]] < until:
                self._num_cached_objects -= 1
                yield workers.pop(0)
