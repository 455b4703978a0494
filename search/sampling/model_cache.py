"""Keeps the model of a sampler between draws that follow each other too fast for a new one."""

from __future__ import annotations

import time
from collections.abc import Callable

from search.surrogate.model import History, Model

_SHARE = 0.2
"""Share of the time that new models may take while draws are asked for all the time."""


class ModelCache:
    """The last model of `auto`, and how long it took to fit. A kept model knows the trials since then as
    pending ones."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._numbers: frozenset[int] = frozenset()
        self._fitted = 0.0
        self._seconds = 0.0

    def get(self, known: History, seed: int, build: Callable[[], Model]) -> Model:
        """A model for the trials. build: makes and fits a new one."""
        began = time.monotonic()
        if self._model is not None and (began - self._fitted) * _SHARE < self._seconds:
            rows = zip(known.curve_numbers, known.curves, strict=True)
            since = [curve.point for number, curve in rows if number not in self._numbers]
            return self._model.with_pending([*known.pending, *since], seed)
        self._model = build()
        self._numbers = frozenset(known.curve_numbers)
        self._fitted = time.monotonic()
        self._seconds = self._fitted - began
        return self._model
