"""The evaluations on the sealed test set, as they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from search.records.typed import typed
from trainable.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class TestLook:
    """How one model did on the test set."""

    trial: int | None
    """The trial whose recipe it was trained by; None for the plan's default recipe."""
    seed: int
    """The seed it was trained with."""
    evaluation: Evaluation
    """Holds the mistakes only if the run keeps this model."""
    parameters: int | None
    """How many numbers it learned; None if its trainable does not tell."""
    weights_sha256: str | None
    """The SHA-256 of its weights; None if its trainable has no such sum."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "evaluation": self.evaluation.to_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TestLook:
        """The look that `to_json` stored."""
        return typed(cls(**{**stored, "evaluation": Evaluation.from_json(stored["evaluation"])}))


@dataclass(frozen=True)
class TestSetOpening:
    """One opening of the test set. It is recorded before it happens."""

    time: datetime
    """UTC."""
    reason: str
    """Why, as half a sentence: "figures of trial 3, …"."""
    models: int
    """How many models were to be evaluated."""
    looks: tuple[TestLook, ...] = ()
    """What came of each; empty if the opening was cut off, or its results are kept nowhere."""
    overlap: int | None = None
    """Test examples that are also among the training or validation examples; None if the data cannot tell."""
    saved: bool = True
    """Whether the winner's model was saved; true for an evaluation that saves none."""

    @property
    def complete(self) -> bool:
        """Whether all its models were evaluated, and the results are kept."""
        return len(self.looks) >= self.models

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.saved and self.complete

    def to_json(self) -> dict[str, Any]:
        """As plain values, as test_openings.json holds them."""
        looks = [look.to_json() for look in self.looks]
        return {**vars(self), "time": self.time.isoformat(), "looks": looks}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TestSetOpening:
        """The opening that `to_json` stored. Raises TypeError, KeyError and others if it is of the wrong
        shape."""
        looks = tuple(TestLook.from_json(look) for look in stored["looks"])
        return typed(cls(**{**stored, "time": datetime.fromisoformat(stored["time"]), "looks": looks}))
