"""Draws the next trials in a thread of their own while others train, so that no worker waits for a draw."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from search.study.draw import Drawn

_SHARE = 0.05
"""Share of a core that drawing again may take, because more is known by now."""
_MAX_DEPTH = 64
"""Maximum number of trials that wait to be started."""


@dataclass(frozen=True)
class Continued:
    """A paused trial that is worth more than a new one."""

    number: int
    """The trial's number."""


@dataclass(frozen=True)
class Snapshot:
    """What a draw may depend on."""

    trials: Sequence[FrozenTrial]
    """All trials that the next one may depend on; none of them changes."""
    number: int
    """Of the next new trial."""
    paused: frozenset[int]
    """Numbers of the paused trials."""
    limit: int | None
    """Maximum number of new trials; None if unlimited."""


Next = Continued | Drawn
"""What a free worker is to train."""


class DrawAhead:
    """A queue of trials that are ready to start.

    It holds one, and up to `_MAX_DEPTH` where trials are shorter than a draw. Those in it are drawn again as
    more becomes known, at most a twentieth of the time.
    """

    def __init__(self, draw: Callable[[Snapshot, Sequence[Next]], Next]) -> None:
        """draw: decides what is next, after those that wait; it is called in the thread."""
        self._draw = draw
        self._ready: deque[Next] = deque()
        self._depth = 1
        self._taken = 0
        self._snapshot: Snapshot | None = None
        """What is known by now; None if nothing is to be drawn."""
        self._drawn_from: Snapshot | None = None
        self._done, self._seconds = 0.0, 0.0
        self._error: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="draw ahead", daemon=True).start()

    def update(self, snapshot: Snapshot | None) -> None:
        """Take in what is known by now. None: nothing is to be drawn until there is more."""
        with self._changed:
            self._snapshot = snapshot
            self._changed.notify_all()

    @property
    def has_next(self) -> bool:
        """Whether `take` will return a trial."""
        with self._changed:
            return bool(self._ready) or self._snapshot is not None

    @property
    def due(self) -> bool:
        """Whether a new snapshot would be drawn from."""
        return time.monotonic() - self._done >= self._seconds / _SHARE

    def take(self) -> Next | None:
        """The next trial, once it is drawn; None if none will be. `update` must follow. Raises what drawing
        raised."""
        with self._changed:
            if not self._ready and self._snapshot is not None:
                self._depth = min(2 * self._depth, _MAX_DEPTH)
            self._changed.wait_for(lambda: self._ready or self._error or self._snapshot is None)
            if self._error is not None:
                raise self._error
            # What is known no longer holds: without this, the trial that is taken would be drawn once more.
            self._snapshot = None
            self._taken += 1
            return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        """End the thread, after the draw in progress."""
        with self._changed:
            self._closed, self._snapshot = True, None
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted())
                if self._closed:
                    return
                snapshot = self._snapshot
                assert snapshot is not None
                again, taken = len(self._ready) >= self._depth, self._taken
                before = [] if again else list(self._ready)
            began = time.monotonic()
            try:
                found = self._draw(snapshot, before)
            except BaseException as error:  # of any type: the thread that takes it raises it
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._done = time.monotonic()
                self._seconds = self._done - began
                self._drawn_from = snapshot
                if again and taken != self._taken:
                    continue  # one of those that it would replace has started
                if again:
                    self._ready.clear()
                    self._depth = max(1, self._depth // 2)
                self._ready.append(found)
                self._changed.notify_all()

    def _wanted(self) -> bool:
        """Whether to draw now."""
        snapshot = self._snapshot
        if snapshot is None or self._error is not None:
            return False
        if snapshot.limit is not None and len(self._ready) >= snapshot.limit:
            return False
        if len(self._ready) < self._depth:
            return True
        return snapshot is not self._drawn_from and self.due
