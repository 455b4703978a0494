"""Figures of the winner's evaluation on the test set, for trainables that sort examples into classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reports.analysis.winner import winner_of
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation

Numbers = TypeVar("Numbers")


def of_winner(
    numbers: Callable[[Evaluation | None], Numbers | str],
) -> Callable[[Sweep], Numbers | str | None]:
    """Turns a function of an evaluation, None before the test set was opened, into one of a sweep.

    That one returns None if the evaluation has no classes, or the trainable no test split.
    """

    def numbers_of(sweep: Sweep) -> Numbers | str | None:
        winner = winner_of(sweep)
        if not sweep.plan.has_test_split:
            return None
        if winner is not None and winner.evaluation.confusion is None:
            return None
        return numbers(winner.evaluation if winner else None)

    return numbers_of
