"""A confirmation: a search's best trials, trained again with fresh seeds.

The best trial of a search is the luckiest of many, so its score there is too high. Nothing was selected by
the scores recorded here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.racing.race import Elimination, Race, evaluate_race
from search.records import schema
from search.records.history import environments_of
from search.records.trial import State, Trial
from trainable.contract import Metric


@dataclass(frozen=True)
class Candidate:
    """A recipe in the race."""

    trial: int | None
    """The search's trial that it comes from; None for the plan's default recipe, the reference."""
    recipe: Mapping[str, Any]
    """Complete, with the seed it had in the search."""
    selected_on: float | None
    """Its score in the search; None for the reference."""
    reruns: tuple[Trial, ...]
    """Its trainings with fresh seeds so far, in the order of the seeds."""
    elimination: Elimination | None
    """Why it is out of the race; None for those that are tied for the best."""
    beaten_by: str | None = None
    """The name of the candidate that is better; None if there is none."""

    @property
    def name(self) -> str:
        """ "trial 12", or "default"."""
        return candidate_name(self.trial)

    @property
    def complete(self) -> tuple[Trial, ...]:
        """The COMPLETE reruns, in the order of the seeds."""
        return tuple(rerun for rerun in self.reruns if rerun.state is State.COMPLETE)

    @property
    def scores(self) -> list[float]:
        """Of the COMPLETE reruns, in the order of the seeds."""
        return [rerun.score for rerun in self.complete if rerun.score is not None]

    @property
    def mean(self) -> float | None:
        """Mean of the scores; None before the first COMPLETE rerun."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def parameters(self) -> int | None:
        """How many numbers it learns; None if that is not known."""
        return next((rerun.parameters for rerun in self.complete if rerun.parameters is not None), None)


@dataclass(frozen=True)
class Confirmation:
    """The race among a search's best trials and its default recipe."""

    seeds: tuple[int, ...]
    """The fresh seeds, in the order in which they are used."""
    confidence: float
    """The probability, at least, that no candidate is wrongly called better: half of the rest is spent on the
    race, half on the test set."""
    candidates: tuple[Candidate, ...]
    """Those tied for the best first: the fewest parameters, then the best mean; then the eliminated ones."""
    compared: int
    """Seeds of each candidate at the last comparison."""
    decided: bool
    """Whether the race is over."""
    sentence: str
    """The state of the race, in words."""
    environments: tuple[Mapping[str, Any], ...] = ()
    """What its starts ran on, the first one first."""

    @property
    def level(self) -> float:
        """The probability of a false alarm that each of the two, race and test set, may have."""
        return (1 - self.confidence) / 2

    @property
    def tied(self) -> tuple[Candidate, ...]:
        """The candidates that no other is better than, the winner first."""
        return tuple(candidate for candidate in self.candidates if candidate.elimination is None)

    @property
    def winner(self) -> Candidate | None:
        """The first of those tied for the best; None before the race is over, and if all failed."""
        return self.tied[0] if self.decided and self.tied else None

    @property
    def reference(self) -> Candidate | None:
        """The plan's default recipe; None if one of the trials has it too."""
        return next((candidate for candidate in self.candidates if candidate.trial is None), None)

    @property
    def finalists(self) -> tuple[Candidate, ...]:
        """The candidates to evaluate on the test set: those tied for the best, and the reference."""
        finalists = list(self.tied)
        if self.reference is not None and self.reference not in finalists:
            finalists.append(self.reference)
        return tuple(candidate for candidate in finalists if candidate.scores)


def candidate_name(trial: int | None) -> str:
    """ "trial 12", or "default"."""
    return "default" if trial is None else f"trial {trial}"


def read_confirmation(
    attributes: Mapping[str, Any], reruns: Sequence[Trial], metric: Metric
) -> tuple[Confirmation, Race] | None:
    """The confirmation in a study's attributes and trials, and its race, in which a candidate is its index in
    the entry; None before the first entry."""
    entries = schema.ENTRIES.read(attributes)
    if not entries:
        return None
    entry = entries[max(entries)]
    entrants, seeds = entry["candidates"], entry["seeds"]
    trained = [
        {
            rerun.recipe["seed"]: rerun
            for rerun in reruns
            if not rerun.abandoned and unseeded(rerun.recipe) == unseeded(entrant["recipe"])
        }
        for entrant in entrants
    ]
    results = [
        {seed: result for seed, rerun in own.items() if (result := _result(rerun)) is not None}
        for own in trained
    ]
    race = evaluate_race(
        results,
        seeds,
        metric.direction,
        level=(1 - entry["confidence"]) / 2,
        reference=next((index for index, entrant in enumerate(entrants) if entrant["trial"] is None), -1),
    )
    names = [candidate_name(entrant["trial"]) for entrant in entrants]
    candidates = []
    for index, (entrant, own) in enumerate(zip(entrants, trained, strict=True)):
        elimination = race.eliminated.get(index)
        better = None if elimination is None else elimination.better
        candidates.append(
            Candidate(
                trial=entrant["trial"],
                recipe=entrant["recipe"],
                selected_on=entrant["selected_on"],
                reruns=tuple(own[seed] for seed in seeds if seed in own),
                elimination=elimination,
                beaten_by=None if better is None else names[better],
            )
        )

    def size(index: int) -> float:
        """The smallest network wins a tie; among equals the order is the race's."""
        parameters = candidates[index].parameters
        return math.inf if parameters is None else float(parameters)

    tied = sorted(race.remaining, key=size)
    confirmation = Confirmation(
        seeds=tuple(seeds),
        confidence=entry["confidence"],
        candidates=tuple(candidates[index] for index in (*tied, *race.ranked[len(tied) :])),
        compared=race.compared,
        decided=race.decided,
        sentence=race.sentence(names),
        environments=tuple(environments_of(attributes).values()),
    )
    return confirmation, race


def _result(rerun: Trial) -> float | str | None:
    """A rerun's score, or why it has none, as a sentence; None while it is not over."""
    if rerun.state is State.COMPLETE:
        return rerun.score
    if rerun.state in (State.DIVERGED, State.FAILED):
        return f"with seed {rerun.recipe['seed']} it {rerun.state.lower()}: {rerun.error}"
    return None


def unseeded(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe without its seed, by which candidates are compared."""
    return {name: value for name, value in recipe.items() if name != "seed"}
