"""Where the race of a confirmation stands: who is out, who trains next, and whether it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.racing import elimination as separation
from search.racing.elimination import looks
from trainable.contract import Direction

ENOUGH = 5
"""Seeds that the winner is given even where fewer separate it: its own figures are told by them."""

Results = Mapping[int, float | str]
"""Of one candidate, by seed: the score it came to, or the sentence that says why it came to none."""


@dataclass(frozen=True)
class Fallen:
    """Why a candidate is out. seeds: how many of its were compared. than: the index of the better one,
    and p by which it is better; None where it is out for a training that came to no end, as `why` says."""

    seeds: int
    than: int | None = None
    p: float | None = None
    why: str | None = None


@dataclass(frozen=True)
class Race:
    """A race at one moment. Candidates are told by their index.

    ranked: all, the best mean first, those that are out behind the others. fallen: those that are out.
    compared: seeds of each at the last comparison. wanted: (candidate, seed) that the next comparison
    waits for, in the order in which they are to be trained; ahead: those that later ones may ask for.
    decided: whether nothing is to be trained any more.
    """

    ranked: tuple[int, ...]
    fallen: Mapping[int, Fallen]
    compared: int
    wanted: tuple[tuple[int, int], ...]
    ahead: tuple[tuple[int, int], ...]
    decided: bool

    @property
    def racing(self) -> tuple[int, ...]:
        """Those that nothing was found to be better than, the best mean first."""
        return tuple(index for index in self.ranked if index not in self.fallen)

    def sentence(self, names: Sequence[str]) -> str:
        """Where it stands, in words. names: of the candidates, by index."""
        left = [names[index] for index in self.racing]
        if not left:
            return "every candidate failed when it was trained again"
        if not self.decided:
            told = f"after a comparison of {self.compared} seeds" if self.compared else "not compared yet"
            return f"{len(left)} of {len(names)} candidates race on, {told}"
        if len(names) == 1:
            return f"{left[0]} was the only candidate"
        if len(left) == 1:
            return f"{left[0]} is better than all others, over {max(self.compared, 1)} seeds"
        listed = f"{', '.join(left[:-1])} and {left[-1]}"
        return f"{listed} are tied: {self.compared or 1} seeds do not tell them apart"


def race_of(
    results: Sequence[Results],
    seeds: Sequence[int],
    direction: Direction,
    level: float,
    reference: int = -1,
) -> Race:
    """Where the race stands.

    results: what came of each candidate's seeds so far. seeds: in the order in which they are given
    out, the same to all. level: as in `search.racing.elimination.race`. reference: the candidate that is
    given as many seeds as the winner even when it is out, for the winner's gain is told against it; -1: none.
    The answer depends on the arguments alone, so a race goes on where it was when it was interrupted.
    """
    fallen = {
        index: Fallen(len(found), why=next(value for value in found.values() if isinstance(value, str)))
        for index, found in enumerate(results)
        if any(isinstance(value, str) for value in found.values())
    }
    scores = {
        str(index): _leading(found, seeds) for index, found in enumerate(results) if index not in fallen
    }
    if not scores:
        return Race(tuple(range(len(results))), fallen, 0, (), (), decided=True)
    told = separation.race(scores, len(seeds), direction, level)
    for gone in told.separated:
        fallen[int(gone.candidate)] = Fallen(gone.seeds, int(gone.than), gone.p)
    racing = [int(name) for name in told.racing]
    done = told.decided or told.seeds == len(seeds)
    later = [look for look in looks(len(seeds)) or (1,) if look > told.seeds]
    target = max(told.seeds, min(ENOUGH, len(seeds))) if done else later[0]
    trained = [*racing]
    if (
        reference is not None
        and reference not in racing
        and (out := fallen.get(reference))
        and out.why is None
    ):
        trained.append(reference)
    wanted = _missing(results, trained, seeds[:target])
    behind = sorted(fallen, key=lambda index: -fallen[index].seeds)
    return Race(
        ranked=(*racing, *behind),
        fallen=fallen,
        compared=told.seeds,
        wanted=tuple(wanted),
        ahead=() if done else tuple(_missing(results, trained, seeds[target:])),
        decided=not wanted and (done or target == len(seeds)),
    )


def _leading(found: Results, seeds: Sequence[int]) -> list[float]:
    """The scores of the first seeds, as far as there is no gap: a parallel race ends out of order."""
    scores = []
    for seed in seeds:
        if not isinstance(value := found.get(seed), float):
            break
        scores.append(value)
    return scores


def _missing(
    results: Sequence[Results], candidates: Sequence[int], seeds: Sequence[int]
) -> list[tuple[int, int]]:
    return [(index, seed) for seed in seeds for index in candidates if seed not in results[index]]
