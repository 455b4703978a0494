"""The doctor's slow questions to this machine, asked once for all tests of what it says of a run."""

from __future__ import annotations

from functools import cache

import pytest

from search.doctor.probe import _Answer


def ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the test lasts, whether torch loads and whether Ray starts is answered as it was before."""
    monkeypatch.setattr(_Answer, "of", _answer)


_answer = cache(_Answer.of)
