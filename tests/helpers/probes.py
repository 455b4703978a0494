"""The doctor's slow questions to this machine, asked once for all tests of what it says of a run."""

from __future__ import annotations

from typing import Self

import pytest

from search.doctor import probe


def ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the test lasts, whether torch loads and whether Ray starts is answered as it was before."""
    monkeypatch.setattr(probe, "_Script", _AskedOnce)


_REAL = probe._Script
_ANSWERS: dict[str, probe._Answer] = {}
"""Script -> what it answered the first time."""


class _AskedOnce:
    """A script that runs if it was not run before."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._running = None if script in _ANSWERS else _REAL(script)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.__exit__(*error)

    def answer(self) -> probe._Answer:
        if self._running is not None:
            _ANSWERS[self._script] = self._running.answer()
        return _ANSWERS[self._script]
