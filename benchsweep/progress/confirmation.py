"""How far a confirmation is: fed with the events of its trainings."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar, Literal

from benchsweep.progress.search import Leading, Limits, Progress, Row
from reports.formatting.wording import plural
from search.engine.search import Search
from search.records.sweep import State
from search.study.confirmation import ConfirmationStudy


class ConfirmationProgress(Progress):
    """The race among a search's best trials, each trained again with fresh seeds."""

    stage: ClassVar[Literal["search", "confirmation"]] = "confirmation"
    noun: ClassVar[str] = "rerun"

    @classmethod
    def of_race(cls, race: Search) -> ConfirmationProgress:
        """The progress of a race that is about to begin, or to go on."""
        study, plan = race.study, race.plan
        assert isinstance(study, ConfirmationStudy)
        limits = Limits(trials=study.max_trainings)
        progress = cls(f"{plan.name}, confirmation", plan.metric, limits, plan.default_recipe.epochs)
        for candidate in study.confirmation.candidates:
            for rerun in candidate.complete:
                progress.know(rerun, {"candidate": candidate.name, "seed": rerun.recipe["seed"]})
        return progress

    @property
    def best(self) -> Row | None:
        """None: which rerun did best is the luck that a confirmation is to see through."""
        return None

    @property
    def leading(self) -> Leading | None:
        """The candidate with the best mean over its seeds so far."""
        scores = defaultdict(list)
        for row in self.finished:
            if row.state is State.COMPLETE and row.score is not None:
                scores[str(row.sampled["candidate"])].append(row.score)
        means = {name: sum(found) / len(found) for name, found in scores.items()}
        if not means:
            return None
        best = max(means, key=lambda name: self.metric.sign * means[name])
        return Leading(means[best], f"{best}, mean of {plural(len(scores[best]), 'seed')}", {})
