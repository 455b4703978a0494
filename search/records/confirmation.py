"""What became of a search's best trials when they were trained again with fresh seeds.

The best trial of a search is the luckiest of many: what it scored there flatters it. The figures
here were not chosen by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.racing.race import Elimination, Race, evaluate_race
from search.records.trial import State, Trial
from trainable.contract import Metric


@dataclass(frozen=True)
class Candidate:
    """A recipe in the race.

    trial: the search's trial it comes from; None for the plan's default recipe, the reference.
    recipe: whole, with the seed it had in the search. selected_on: what it scored there; None for
    the reference. reruns: its trainings with fresh seeds, in the seeds' order, as far as they came.
    fallen: why it is out of the race; None for those that are tied for the best. behind: the name of the
    one that was found to be better; None where none was.
    """

    trial: int | None
    recipe: Mapping[str, Any]
    selected_on: float | None
    reruns: tuple[Trial, ...]
    fallen: Elimination | None
    behind: str | None = None

    @property
    def name(self) -> str:
        """ "trial 12", or "default"."""
        return candidate_name(self.trial)

    @property
    def complete(self) -> tuple[Trial, ...]:
        """The reruns that came to their end."""
        return tuple(rerun for rerun in self.reruns if rerun.state is State.COMPLETE)

    @property
    def scores(self) -> list[float]:
        """Of the reruns that came to their end, in the seeds' order."""
        return [rerun.score for rerun in self.complete if rerun.score is not None]

    @property
    def mean(self) -> float | None:
        """Mean score over the seeds; None before the first rerun came to its end."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def parameters(self) -> int | None:
        """How many numbers it learns; None where that is not known."""
        return next((rerun.parameters for rerun in self.complete if rerun.parameters is not None), None)


@dataclass(frozen=True)
class Confirmation:
    """The race among a search's best trials and its default recipe.

    seeds: the fresh ones, in the order in which they are given out. confidence: that nothing is called
    better which is not; half of what it leaves is the race's, half is the test set's.
    candidates: those tied for the best first, as they are ranked: fewest parameters, then the best mean
    over the seeds; then those that fell behind. compared: seeds at the last comparison.
    decided: whether the race is over. sentence: where it stands, in words. environments: what its starts
    ran on, the first one first.
    """

    seeds: tuple[int, ...]
    confidence: float
    candidates: tuple[Candidate, ...]
    compared: int
    decided: bool
    sentence: str
    environments: tuple[Mapping[str, Any], ...] = ()

    @property
    def level(self) -> float:
        """The share of false alarms allowed to each of the two, the race and the test set."""
        return (1 - self.confidence) / 2

    @property
    def tied(self) -> tuple[Candidate, ...]:
        """Those that nothing was found to be better than, the winner first."""
        return tuple(candidate for candidate in self.candidates if candidate.fallen is None)

    @property
    def winner(self) -> Candidate | None:
        """The first of those tied for the best; None before the race is over, or when all failed."""
        return self.tied[0] if self.decided and self.tied else None

    @property
    def reference(self) -> Candidate | None:
        """The plan's default recipe; None where it is one of the trials too, or could not be trained."""
        return next((candidate for candidate in self.candidates if candidate.trial is None), None)

    @property
    def finalists(self) -> tuple[Candidate, ...]:
        """Who has earned a look at the test set: those tied for the best, and the reference."""
        reference = self.reference
        others = () if reference is None or reference.fallen is None else (reference,)
        return tuple(each for each in (*self.tied, *others) if each.scores)


def candidate_name(trial: int | None) -> str:
    """ "trial 12", or "default"."""
    return "default" if trial is None else f"trial {trial}"


def read_confirmation(
    attributes: Mapping[str, Any], reruns: Sequence[Trial], metric: Metric
) -> tuple[Confirmation, Race] | None:
    """The confirmation in a study (see `search.study.confirmation`), from its study's attributes and its
    trials, and the race as its study needs it: by index. None before there was an entry."""
    entries = [attributes[key] for key in sorted(attributes) if key.startswith("entry:")]
    if not entries:
        return None
    entry = entries[-1]
    trained = [
        {
            trial.recipe["seed"]: trial
            for trial in reruns
            if not trial.abandoned and unseeded(trial.recipe) == unseeded(each["recipe"])
        }
        for each in entry["candidates"]
    ]
    results = [{seed: _told(trial) for seed, trial in own.items()} for own in trained]
    race = evaluate_race(
        [{seed: told for seed, told in each.items() if told is not None} for each in results],
        entry["seeds"],
        metric.direction,
        level=(1 - entry["confidence"]) / 2,
        reference=next((at for at, each in enumerate(entry["candidates"]) if each["trial"] is None), -1),
    )
    names = [candidate_name(each["trial"]) for each in entry["candidates"]]
    candidates = {
        index: Candidate(
            trial=each["trial"],
            recipe=each["recipe"],
            selected_on=each["selected_on"],
            reruns=tuple(own[seed] for seed in entry["seeds"] if seed in own),
            fallen=(fallen := race.eliminated.get(index)),
            behind=None if fallen is None or fallen.better is None else names[fallen.better],
        )
        for index, (each, own) in enumerate(zip(entry["candidates"], trained, strict=True))
    }

    def size(index: int) -> float:
        """A tie is won by the smaller network; behind that the order is the race's."""
        known = candidates[index].parameters
        return math.inf if known is None else float(known)

    tied = sorted(race.remaining, key=size)
    confirmation = Confirmation(
        seeds=tuple(entry["seeds"]),
        confidence=entry["confidence"],
        candidates=tuple(candidates[index] for index in (*tied, *race.ranked[len(tied) :])),
        compared=race.compared,
        decided=race.decided,
        sentence=race.sentence(names),
        environments=tuple(attributes[key] for key in sorted(attributes) if key.startswith("environment:")),
    )
    return confirmation, race


def _told(trial: Trial) -> float | str | None:
    """What a rerun says in the race; None while it is not over."""
    if trial.state is State.COMPLETE:
        return trial.score
    if trial.state in (State.DIVERGED, State.FAILED):
        return f"with seed {trial.recipe['seed']} it {trial.state.lower()}: {trial.error}"
    return None


def unseeded(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe without its seed: what a candidate is."""
    return {name: value for name, value in recipe.items() if name != "seed"}
