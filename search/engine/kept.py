"""An engine that stays up from a search to its confirmation, since Ray takes seconds to start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from search.engine.engine import Engine


class KeptEngine(ExitStack):
    """At most one engine. As a context manager it shuts that down at the end, if it is still up."""

    _engine: Engine | None = None

    @contextmanager
    def use(
        self, start: Callable[[], AbstractContextManager[Engine]], keep: Callable[[], bool]
    ) -> Iterator[Engine]:
        """The engine that is up, or else the one that `start` starts. keep: whether to leave it up at the
        end, unless there was an error."""
        if self._engine is None:
            self._engine = self.enter_context(start())
        try:
            yield self._engine
        except BaseException:
            self._engine = None
            self.__exit__(*sys.exc_info())
            raise
        if not keep():
            self._engine = None
            self.close()
