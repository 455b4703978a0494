"""A search on a virtual clock: workers train replayed curves, an arm says what they train next."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from efficiency.problem import Failed, Problem, Refused

Verdict = Literal["continue", "stop"]


@dataclass(frozen=True)
class Start:
    """A worker is to train a trial, or one that was stopped from where it stopped."""

    trial: int
    """The arm's number of the trial."""
    params: Mapping[str, Any]
    """Its recipe."""


class Arm(Protocol):
    """A way to search."""

    def next(self) -> Start | None:
        """What a free worker trains; None if it must wait for another worker's report."""

    def report(self, trial: int, epoch: int, value: float) -> Verdict:
        """Take in an epoch that is not the trial's last. epoch: the first is 1."""

    def complete(self, trial: int, value: float) -> None:
        """Take in the last epoch of a trial."""

    def fail(self, trial: int, refused: bool) -> None:
        """Take in that the trial failed in its first epoch, or that its recipe was refused."""


@dataclass
class Outcome:
    """What a search came to."""

    epochs_until: dict[float, int | None] = field(default_factory=dict)
    """By share of the distance that may be missing: epochs spent by all workers until a trial was finished
    that lacks no more; None if none was."""
    history: list[tuple[int, float]] = field(default_factory=list)
    """Epochs spent, and the share that the best finished trial then lacked, whenever that fell."""
    epochs: int = 0
    """Epochs spent."""
    missing: float = float("inf")
    """The share that the best finished trial lacks, without noise."""
    trials: int = 0
    """Recipes that were handed to a worker."""
    finished: int = 0
    """Trials that were trained to their end."""
    failed: int = 0
    """Trials that failed."""
    refused: int = 0
    """Recipes that were refused and given to a worker all the same."""
    repeated: int = 0
    """Trials whose recipe had been handed out before."""


def search(
    arm: Arm,
    problem: Problem,
    seed: int,
    ends: tuple[float, float],
    workers: int = 4,
    full_trainings: int = 40,
    shares: tuple[float, ...] = (0.05, 0.02),
) -> Outcome:
    """Search until the budget is spent, or a finished trial lacks less than the smallest share.

    seed: of the noise, and of the epochs' durations. ends: as `scale` returns them."""
    outcome, rng = Outcome(dict.fromkeys(shares)), np.random.default_rng(seed)
    budget = full_trainings * problem.epochs
    reached: dict[int, int] = {}
    curves: dict[int, np.ndarray] = {}
    paces: dict[int, float] = {}
    recipes: dict[int, Mapping[str, Any]] = {}
    seen: set[str] = set()
    queue: list[tuple[float, int, int]] = []
    now, order, free = 0.0, 0, workers
    while outcome.epochs < budget:
        while free:
            start = arm.next()
            if start is None:
                break
            if start.trial not in curves and not _begin(arm, start, problem, seed, outcome, seen, curves):
                continue
            recipes[start.trial] = start.params
            paces.setdefault(start.trial, float(np.exp(rng.normal(0, 0.3))))
            free -= 1
            order += 1
            heapq.heappush(queue, (now + paces[start.trial], order, start.trial))
        if not queue:
            break
        now, _, trial = heapq.heappop(queue)
        outcome.epochs += 1
        epoch = reached[trial] = reached.get(trial, 0) + 1
        value = float(curves[trial][epoch - 1])
        if epoch == problem.epochs:
            arm.complete(trial, value)
            free += 1
            outcome.finished += 1
            missing = problem.missing(problem.end(recipes[trial]), ends)
            if missing < outcome.missing:
                outcome.missing = missing
                outcome.history.append((outcome.epochs, round(missing, 4)))
            for share, spent in outcome.epochs_until.items():
                if spent is None and missing <= share:
                    outcome.epochs_until[share] = outcome.epochs
            if outcome.missing <= min(shares):
                break
        elif arm.report(trial, epoch, value) == "continue":
            order += 1
            heapq.heappush(queue, (now + paces[trial], order, trial))
        else:
            free += 1
    return outcome


def _begin(
    arm: Arm,
    start: Start,
    problem: Problem,
    seed: int,
    outcome: Outcome,
    seen: set[str],
    curves: dict[int, np.ndarray],
) -> bool:
    """Hand a new trial to a worker. Returns whether it trains."""
    outcome.trials += 1
    key = repr(sorted(start.params.items()))
    outcome.repeated += key in seen
    seen.add(key)
    try:
        curves[start.trial] = problem.curve(start.params, seed)
    except Refused:
        outcome.refused += 1
        arm.fail(start.trial, True)
        return False
    except Failed:
        outcome.failed += 1
        outcome.epochs += 1  # it fails in its first epoch
        arm.fail(start.trial, False)
        return False
    return True
