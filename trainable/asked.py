"""The trainable of a run whose trials are trained by a program of its own, which asks and tells."""

from __future__ import annotations

from typing import Any

from trainable.contract import ASKED, refuse_trained_elsewhere


def train(recipe: dict[str, Any]) -> None:
    """Raises TrainedElsewhere."""
    refuse_trained_elsewhere(ASKED)
