"""The study of a confirmation: which recipe is trained with which seed next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.plan.plan import Plan
from search.records.confirmation import candidate_name, read_confirmation, unseeded
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.records.trial import trial_of
from search.study.base import SettledTrial, Study, Suggestion

_OVER = "the race was over before its training was"


@dataclass(frozen=True)
class Entry:
    """Who races, with what seeds. candidates: (trial, recipe, score in the search); trial and score are
    None for the plan's default recipe. seeds: the fresh ones. confidence: as the plan has it."""

    candidates: tuple[tuple[int | None, Mapping[str, Any], float | None], ...]
    seeds: tuple[int, ...]
    confidence: float

    @classmethod
    def of(cls, sweep: Sweep, plan: Plan) -> Entry | None:
        """The best trials of a search and the plan's default recipe, as its [confirmation] asks; None
        when no trial is COMPLETE, or the plan asks for none.

        The seeds are those that follow the highest that any trial was trained with, so that none of
        them was chosen by.
        """
        asked = plan.confirmation
        best: list[tuple[int | None, Mapping[str, Any], float | None]] = []
        for trial in sweep.ranked():
            known = [unseeded(recipe) for _, recipe, _ in best]
            if trial.state is State.COMPLETE and unseeded(trial.recipe) not in known:
                best.append((trial.number, trial.recipe, trial.score))
        best = best[: asked.candidates]
        if not best:
            return None
        default = plan.default_recipe.model_dump(mode="json")
        if unseeded(default) not in [unseeded(recipe) for _, recipe, _ in best]:
            best.append((None, default, None))
        used = [trial.recipe["seed"] for trial in sweep.trials if "seed" in trial.recipe]
        first = 1 + max([*used, default["seed"]])
        return cls(tuple(best), tuple(range(first, first + asked.seeds)), asked.confidence)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the study stores them; `search.records.confirmation` reads them."""
        return {
            "candidates": [
                {"trial": trial, "recipe": dict(recipe), "selected_on": score}
                for trial, recipe, score in self.candidates
            ],
            "seeds": list(self.seeds),
            "confidence": self.confidence,
        }


class ConfirmationStudy(Study):
    """The study of the race among the candidates of `entry`; `run` is a run's `confirmation` folder.

    Trainings that are on record already count, whichever entry asked for them: an extended search
    that is confirmed again trains only what is new in it.
    """

    def __init__(self, run: RunFolder, plan: Plan, entry: Entry) -> None:
        self._run = run
        super().__init__(run, plan)
        self._entry = entry.to_json()
        entries = sorted(key for key in self._optuna_study.user_attrs if key.startswith("entry:"))
        if not entries or _bare(self._optuna_study.user_attrs[entries[-1]]) != self._entry:
            stored = {**self._entry, "since": datetime.now(UTC).isoformat()}
            self._optuna_study.set_user_attr(f"entry:{len(entries):04d}", stored)
        self._look()

    def _founded(self, study: optuna.Study) -> None:
        """Nothing: an entry is written with each start that brings a new one."""

    def _look(self) -> None:
        """Take the race's standing from what is on record."""
        trials = self._optuna_study.get_trials(deepcopy=False)
        reruns = [trial_of(self._run, frozen, alive=True) for frozen in trials]
        found = read_confirmation(self._optuna_study.user_attrs, reruns, self.plan.metric)
        assert found is not None
        self.confirmation, self._race = found

    @property
    def most(self) -> int:
        """How many trainings it takes if nobody falls behind."""
        return len(self._entry["candidates"]) * len(self._entry["seeds"])

    def ask(self) -> Suggestion | SettledTrial | Literal["later"] | None:
        with self.transaction():
            if self._interrupted:
                return self._again(self._interrupted.pop(0))
            if self._race.decided:
                return None
            for index, seed in (*self._race.pending, *self._race.upcoming):
                if (index, seed) not in self._training:
                    return self._new(index, seed)
        return "later"

    @property
    def _training(self) -> set[tuple[int, int]]:
        """(candidate, seed) of what is being trained."""
        return {
            (self._candidate(frozen), frozen.user_attrs["recipe"]["seed"])
            for frozen in map(self._frozen, self._live)
        }

    def _candidate(self, frozen: FrozenTrial) -> int:
        """Whose rerun it is; -1 for one of an earlier entry, who is not in the race any more."""
        own = unseeded(frozen.user_attrs["recipe"])
        each = self._entry["candidates"]
        return next((index for index, one in enumerate(each) if unseeded(one["recipe"]) == own), -1)

    def _new(self, index: int, seed: int) -> Suggestion:
        recipe = {**self._entry["candidates"][index]["recipe"], "seed": seed}
        asked = create_trial(
            state=TrialState.RUNNING, user_attrs={"recipe": recipe, "session": self._session}
        )
        asked.datetime_start = datetime.now()
        number = self._started
        self._storage.create_new_trial(self._optuna_study._study_id, asked)
        self._started += 1
        self._live[number] = optuna.trial.Trial(self._optuna_study, number)
        frozen = self._frozen(number)
        return Suggestion(number, json.dumps(recipe), int(recipe["epochs"]), self._sampled(frozen), 0)

    def spent(self, seconds: float = 0.0) -> str | None:
        return self.confirmation.sentence if self._race.decided else None

    def settle(self) -> None:
        self._leave()

    def note_session(self, seconds: float, ended: str) -> None:
        super().note_session(seconds, ended)
        if ended == "budget":
            self._leave()

    def _leave(self) -> None:
        """Close what nobody waits for any more."""
        left = [*self._live, *(frozen.number for frozen in self._interrupted)]
        self._live.clear()
        self._interrupted.clear()
        with self.transaction():
            for number in left:
                trial = optuna.trial.Trial(self._optuna_study, number)
                trial.set_user_attr("abandoned", _OVER)
                self._tell(number, trial, TrialState.PRUNED)

    def _stops(self, trial: optuna.trial.Trial, known: FrozenTrial) -> bool:
        return False

    def _wanted(self, frozen: FrozenTrial) -> str | None:
        pair = self._candidate(frozen), frozen.user_attrs["recipe"]["seed"]
        return None if pair in (*self._race.pending, *self._race.upcoming) else _OVER

    def _sampled(self, frozen: FrozenTrial) -> Mapping[str, Any]:
        index = self._candidate(frozen)
        name = "former" if index < 0 else candidate_name(self._entry["candidates"][index]["trial"])
        return {"candidate": name, "seed": frozen.user_attrs["recipe"]["seed"]}

    def _ended(self, number: int) -> None:
        self._look()


def _bare(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name != "since"}
