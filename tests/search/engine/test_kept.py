"""An engine that stays up for a second search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from search.engine.kept import KeptEngine


class _Ups:
    """Counts how often an engine was started and shut down."""

    def __init__(self) -> None:
        self.started, self.ended = 0, 0
        self.error: BaseException | None = None

    @contextmanager
    def __call__(self) -> Iterator[Any]:
        self.started += 1
        try:
            yield self
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended += 1


def test_it_is_started_once_and_shut_down_after_the_last_search() -> None:
    ups = _Ups()
    with KeptEngine() as kept:
        with kept.use(ups, lambda: True) as first:
            pass
        assert (ups.started, ups.ended) == (1, 0)
        with kept.use(ups, lambda: False) as second:
            assert second is first
        assert (ups.started, ups.ended) == (1, 1)


def test_where_no_second_search_follows_it_is_shut_down_at_the_end() -> None:
    ups = _Ups()
    with KeptEngine() as kept, kept.use(ups, lambda: True):
        pass
    assert (ups.started, ups.ended) == (1, 1)


def test_after_an_error_it_is_shut_down_at_once_and_knows_the_error() -> None:
    ups = _Ups()
    with KeptEngine() as kept:
        with pytest.raises(RuntimeError, match="lost"), kept.use(ups, lambda: True):
            raise RuntimeError("lost")
        assert ups.ended == 1 and isinstance(ups.error, RuntimeError)
        with kept.use(ups, lambda: False):
            pass
    assert (ups.started, ups.ended) == (2, 2)
