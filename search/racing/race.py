"""The state of a confirmation's race: who is out, what to train next, and whether it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.racing.elimination import eliminate, looks
from trainable.contract import Direction

MIN_SEEDS = 5
"""Seeds that the winner gets even if fewer separate it, since they give its mean and deviation."""

SeedResults = Mapping[int, float | str]
"""The results of one candidate by seed: its score, or a sentence that says why it has none."""


@dataclass(frozen=True)
class Elimination:
    """Why a candidate is out of the race."""

    seeds: int
    """Seeds of it that were compared."""
    better: int | None = None
    """Index of the better candidate; None if a training of it failed."""
    p: float | None = None
    """Adjusted p-value of the comparison, 0 to 1; None if a training of it failed."""
    failure: str | None = None
    """Why a training of it failed; None if it was worse than `better`."""


@dataclass(frozen=True)
class Race:
    """The state of a race. Candidates are identified by their index."""

    ranked: tuple[int, ...]
    """All candidates: those that remain with the best mean first, then those that are out."""
    eliminated: Mapping[int, Elimination]
    """Candidates that are out."""
    compared: int
    """Seeds per candidate at the last comparison; 0 before the first."""
    pending: tuple[tuple[int, int], ...]
    """(candidate, seed) that the next comparison waits for, in the order in which to train them."""
    upcoming: tuple[tuple[int, int], ...]
    """(candidate, seed) that later comparisons may need."""
    decided: bool
    """Whether no further training is needed."""

    @property
    def remaining(self) -> tuple[int, ...]:
        """Candidates that are not significantly worse than another one, the best mean first."""
        return tuple(index for index in self.ranked if index not in self.eliminated)

    def sentence(self, names: Sequence[str]) -> str:
        """The state in words. names: of the candidates, by index."""
        remaining = [names[index] for index in self.remaining]
        if not remaining:
            return "every candidate failed when it was trained again"
        if not self.decided:
            when = f"after a comparison over {self.compared} seeds" if self.compared else "not compared yet"
            return f"{len(remaining)} of {len(names)} candidates remain, {when}"
        if len(names) == 1:
            return f"{remaining[0]} was the only candidate"
        seeds = f"{self.compared or 1} seed{'s' if self.compared > 1 else ''}"
        if len(remaining) == 1:
            return f"{remaining[0]} is better than all other candidates over {seeds}"
        return f"{', '.join(remaining[:-1])} and {remaining[-1]} are tied after {seeds}"


def evaluate_race(
    results: Sequence[SeedResults],
    seeds: Sequence[int],
    direction: Direction,
    level: float,
    reference: int = -1,
) -> Race:
    """The state of the race after these results.

    results: of each candidate so far. seeds: in the order of their use, the same for all candidates. level:
    as in `search.racing.elimination.eliminate`. reference: index of the candidate that gets as many seeds as
    the winner even when it is out, since the winner's gain is measured against it; -1 for none.

    The result depends on the arguments alone, so an interrupted race continues where it stopped.
    """
    eliminated = {
        index: Elimination(len(own), failure=next(value for value in own.values() if isinstance(value, str)))
        for index, own in enumerate(results)
        if any(isinstance(value, str) for value in own.values())
    }
    scores = {
        str(index): _leading_scores(own, seeds)
        for index, own in enumerate(results)
        if index not in eliminated
    }
    if not scores:
        return Race(tuple(range(len(results))), eliminated, 0, (), (), decided=True)
    outcome = eliminate(scores, len(seeds), direction, level)
    for separation in outcome.separated:
        eliminated[int(separation.candidate)] = Elimination(
            separation.seeds, int(separation.better), separation.p
        )
    remaining = [int(name) for name in outcome.remaining]
    done = outcome.decided or outcome.seeds == len(seeds)
    later_looks = [look for look in looks(len(seeds)) or (1,) if look > outcome.seeds]
    target = max(outcome.seeds, min(MIN_SEEDS, len(seeds))) if done else later_looks[0]
    trained = [*remaining]
    if (exit_ := eliminated.get(reference)) and exit_.failure is None:
        trained.append(reference)
    pending = _missing(results, trained, seeds[:target])
    out = sorted(eliminated, key=lambda index: -eliminated[index].seeds)
    return Race(
        ranked=(*remaining, *out),
        eliminated=eliminated,
        compared=outcome.seeds,
        pending=tuple(pending),
        upcoming=() if done else tuple(_missing(results, trained, seeds[target:])),
        decided=not pending and (done or target == len(seeds)),
    )


def _leading_scores(results: SeedResults, seeds: Sequence[int]) -> list[float]:
    """The scores of the first seeds up to the first gap: parallel trainings end out of order."""
    scores = []
    for seed in seeds:
        if not isinstance(value := results.get(seed), float):
            break
        scores.append(value)
    return scores


def _missing(
    results: Sequence[SeedResults], candidates: Sequence[int], seeds: Sequence[int]
) -> list[tuple[int, int]]:
    return [(index, seed) for seed in seeds for index in candidates if seed not in results[index]]
