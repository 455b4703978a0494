"""A look at the sealed test set, as it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainable.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class TestLook:
    """What one model did on the test set.

    trial: whose recipe it was trained by; None for the plan's default recipe. seed: it was trained with.
    parameters: how many numbers it learned; None where it has no such count. weights_sha256: of its
    weights; None where there are none. evaluation: with its mistakes only where the model is the one that
    the run keeps.
    """

    trial: int | None
    seed: int
    evaluation: Evaluation
    parameters: int | None
    weights_sha256: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "evaluation": self.evaluation.to_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TestLook:
        """The look that `to_json` stored."""
        return cls(**{**stored, "evaluation": Evaluation.from_json(stored["evaluation"])})


@dataclass(frozen=True)
class TestSetOpening:
    """One opening of the test set: when, why, for how many models, and what was seen of each.

    looks: none for an opening that was announced and then cut off. overlap: how many of the test set's
    examples are also among those trained or chosen by; None where the data cannot tell.
    """

    time: datetime
    reason: str
    models: int
    looks: tuple[TestLook, ...] = ()
    overlap: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored in test_openings.json."""
        looks = [look.to_json() for look in self.looks]
        return {**vars(self), "time": self.time.isoformat(), "looks": looks}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TestSetOpening:
        """The opening that `to_json` stored."""
        looks = tuple(TestLook.from_json(each) for each in stored["looks"])
        return cls(**{**stored, "time": datetime.fromisoformat(stored["time"]), "looks": looks})
