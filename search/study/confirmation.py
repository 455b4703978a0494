"""The study of a confirmation: which recipe is trained with which seed next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.plan.plan import Plan
from search.records import schema
from search.records.confirmation import candidate_name, read_confirmation, unseeded
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.records.trial import trial_of
from search.study.base import SettledTrial, Study, Suggestion

_OVER = "the race was over before its training was"


class Entrant(NamedTuple):
    """A recipe that enters the race."""

    trial: int | None
    """The search's trial that it comes from; None for the plan's default recipe."""
    recipe: Mapping[str, Any]
    """Complete, with the seed it had in the search."""
    selected_on: float | None
    """Its score in the search; None for the default recipe."""


@dataclass(frozen=True)
class Entry:
    """The candidates of a confirmation, and their seeds."""

    candidates: tuple[Entrant, ...]
    """The search's best trials, best first, then the plan's default recipe unless it is one of them."""
    seeds: tuple[int, ...]
    """Seeds that the candidates are trained with, in order; no trial of the search had one of them."""
    confidence: float
    """As the plan has it."""

    @classmethod
    def of(cls, sweep: Sweep, plan: Plan) -> Entry | None:
        """The entry that the plan's [confirmation] asks for; None if it has no candidates, or no trial is
        COMPLETE."""
        wanted = plan.confirmation
        best: list[Entrant] = []
        complete = [trial for trial in sweep.ranked() if trial.state is State.COMPLETE]
        for trial in [trial for trial in complete if not trial.excess] or complete:
            if not _is_among(trial.recipe, best):
                best.append(Entrant(trial.number, trial.recipe, trial.score))
        best = best[: wanted.candidates]
        if not best:
            return None
        default = plan.recorded_recipe({})
        if not _is_among(default, best) and _may_win(default, sweep, plan):
            best.append(Entrant(None, default, None))
        # Seeds above all that the search used: no candidate was selected by its luck with one of them.
        used = [trial.recipe["seed"] for trial in sweep.trials if "seed" in trial.recipe]
        first = 1 + max([*used, default["seed"]])
        return cls(tuple(best), tuple(range(first, first + wanted.seeds)), wanted.confidence)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `search.records.schema.ENTRIES` has them."""
        return {
            "candidates": [
                {**candidate._asdict(), "recipe": dict(candidate.recipe)} for candidate in self.candidates
            ],
            "seeds": list(self.seeds),
            "confidence": self.confidence,
        }


def _may_win(default: Mapping[str, Any], sweep: Sweep, plan: Plan) -> bool:
    """Whether the default recipe is known to keep the plan's constraints, or there are none."""
    try:
        plan.constraints.check_rules(default)
    except ValueError:
        return False
    same = [trial for trial in sweep.trials if unseeded(trial.recipe) == unseeded(default)]
    kept = any(trial.state is State.COMPLETE and not trial.excess for trial in same)
    return kept or not plan.constraints.bounds


def _is_among(recipe: Mapping[str, Any], entrants: list[Entrant]) -> bool:
    return unseeded(recipe) in [unseeded(entrant.recipe) for entrant in entrants]


class ConfirmationStudy(Study):
    """The study of the race among the candidates of `entry`; `run` is a run's `confirmation` folder.

    Trainings already on record count, whichever entry asked for them: when an extended search is confirmed
    again, only what is new in it is trained.
    """

    def __init__(self, run: RunFolder, plan: Plan, entry: Entry) -> None:
        self._run = run
        super().__init__(run, plan)
        self._entry = entry.to_json()
        entries = schema.ENTRIES.read(self._optuna_study.user_attrs)
        if not entries or _without_time(entries[max(entries)]) != self._entry:
            stored = {**self._entry, "since": datetime.now(UTC).isoformat()}
            self._optuna_study.set_user_attr(schema.ENTRIES.key(len(entries)), stored)
        self._update_race()

    def _initialize(self, study: optuna.Study) -> None:
        """Nothing: each start that has a new entry writes it."""

    def _update_race(self) -> None:
        trials = self._optuna_study.get_trials(deepcopy=False)
        reruns = [trial_of(self._run, frozen, alive=True) for frozen in trials]
        race = read_confirmation(self._optuna_study.user_attrs, reruns, self.plan.objective)
        assert race is not None
        self.confirmation, self._race = race

    @property
    def max_trainings(self) -> int:
        """Those of a race in which no candidate falls behind."""
        return len(self._entry["candidates"]) * len(self._entry["seeds"])

    def ask(self) -> Suggestion | SettledTrial | Literal["later"] | None:
        with self.transaction():
            if self._interrupted:
                return self._resume(self._interrupted.pop(0))
            if self._race.decided:
                return None
            for candidate, seed in (*self._race.pending, *self._race.upcoming):
                if (candidate, seed) not in self._in_training:
                    return self._suggest(candidate, seed)
        return "later"

    @property
    def _in_training(self) -> set[tuple[int, int]]:
        """(candidate, seed) of the trials that are being trained."""
        return {self._candidate_and_seed(frozen) for frozen in map(self._frozen, self._live)}

    def _candidate_and_seed(self, frozen: FrozenTrial) -> tuple[int, int]:
        """Which candidate a trial trains, as its index in the entry, and with which seed; -1 for a candidate
        of an earlier entry, which is not in the race any more."""
        recipe = frozen.user_attrs[schema.RECIPE]
        candidates = enumerate(self._entry["candidates"])
        own = (index for index, entrant in candidates if unseeded(entrant["recipe"]) == unseeded(recipe))
        return next(own, -1), recipe["seed"]

    def _suggest(self, candidate: int, seed: int) -> Suggestion:
        recipe = {**self._entry["candidates"][candidate]["recipe"], "seed": seed}
        attributes = {schema.RECIPE: recipe, schema.SESSION: self._session}
        frozen = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        frozen.datetime_start = datetime.now()
        number = self._started
        self.journal.create_new_trial(self._optuna_study._study_id, frozen)
        self._started += 1
        self._live[number] = optuna.trial.Trial(self._optuna_study, number)
        sampled = self._sampled(self._frozen(number))
        return Suggestion(number, json.dumps(recipe), int(recipe["epochs"]), sampled, 0)

    def spent(self, seconds: float = 0.0) -> str | None:
        return self.confirmation.sentence if self._race.decided else None

    def settle(self) -> list[SettledTrial]:
        """Abandon the trials whose results cannot change the race any more. None was paused."""
        numbers = [*self._live, *(frozen.number for frozen in self._interrupted)]
        self._live.clear()
        self._interrupted.clear()
        with self.transaction():
            for number in numbers:
                self._abandon(optuna.trial.Trial(self._optuna_study, number), _OVER)
        return []

    def note_session(self, seconds: float, ended: str) -> None:
        super().note_session(seconds, ended)
        if ended == "budget":
            self.settle()

    def _should_prune(self, trial: optuna.trial.Trial, frozen: FrozenTrial) -> bool:
        return False

    def _why_abandon(self, frozen: FrozenTrial) -> str | None:
        race = (*self._race.pending, *self._race.upcoming)
        return None if self._candidate_and_seed(frozen) in race else _OVER

    def _sampled(self, frozen: FrozenTrial) -> Mapping[str, Any]:
        index, seed = self._candidate_and_seed(frozen)
        name = "former" if index < 0 else candidate_name(self._entry["candidates"][index]["trial"])
        return {"candidate": name, "seed": seed}

    def _on_end(self, number: int) -> None:
        self._update_race()


def _without_time(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name != "since"}
